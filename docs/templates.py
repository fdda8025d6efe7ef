"""Makes the templates again, the workflows that ComfyUI lists: `python -m docs.templates [TOPIC …]`.

Each is a graph for the server, laid out for the page, with a note out of `docs/notes` in each language. The note's
heading is the template's name: ComfyUI shows the names of the files. It is run on a picture of its own (which needs the
portraits in `$SHARED`), and what went in and what came out become its thumbnail. A topic whose nodes this ComfyUI
lacks is left as it was; one made in an older ComfyUI opens in every newer one, so name in `COMFYUI_PATH` the oldest
that has all its nodes.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from docs.pictures import portrait, scaled
from tools.blueprint import Blueprint, to_blueprint
from tools.client import Client, Graph, Node, Pixels
from tools.comfyui import CACHE, ROOT, Server, provide
from tools.demo import EXAMPLE, damaged_photograph
from tools.layout import Info, Note, Row, to_workflow, write_workflow
from tools.workflow import to_prompt

NOTES = ROOT / "docs" / "notes"
WORKFLOWS = ROOT / "workflows"
WEB = ROOT / "web"
LANGUAGES = ("zh",)
"""Those besides English."""
SIDE = 400
"""Of a thumbnail, in pixels."""
OUTPUTS = {"SaveImage", "PreviewImage", "SaveVideo", "ImageCompare"}


@dataclass(frozen=True)
class Sample:
    """What a template is for, in a picture that it is run on for its thumbnail."""

    before: Callable[[], Pixels]
    """The picture that goes in."""
    original: Callable[[], Pixels] | None = None
    """What is shown in the place of the result, and called so, where the network does not come with the pack."""
    stacked: bool = False
    """Before above after, for a wide picture, instead of one half of it each."""
    frames: int = 1
    """Of a clip, how long."""


@dataclass(frozen=True)
class Template:
    """A workflow to be written into `workflows/`."""

    graph: Graph
    rows: Sequence[Row]
    sample: Sample
    models: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)
    """Node id → files that it needs and that do not come with the pack."""
    fed: Node | None = None
    """The node whose picture the sample stands for; without it, Load Image."""
    extra: dict[str, Any] = field(default_factory=dict)
    """More for the page, beside the graph."""


MAKERS: dict[str, Callable[[Note], Template]] = {}
"""Topic → what makes its template, in the order in which they are listed."""


def template(make: Callable[[Note], Template]) -> Callable[[Note], Template]:
    MAKERS[make.__name__] = make
    return make


def note_of(topic: str) -> Note:
    """`docs/notes/<topic>.<language>.md`."""
    texts = {language: (NOTES / f"{topic}.{language}.md").read_text("utf-8").strip() for language in ("en", *LANGUAGES)}
    return Note(texts.pop("en"), texts)


def title(text: str) -> str:
    return text.splitlines()[0].lstrip("# ")


# What goes in.


def person(name: str, side: int = 512) -> Callable[[], Pixels]:
    """An official portrait of the US Senate (public domain), the head filling more of it."""
    return lambda: scaled(portrait(f"us-senate/{name}.jpg", 1024)[60:760, 160:860], side)


def damaged(picture: Callable[[], Pixels], shrunk: int = 4, quality: int = 50) -> Callable[[], Pixels]:
    """As out of a small bad JPEG."""

    def make() -> Pixels:
        whole = picture()
        small = cv2.resize(whole, None, fx=1 / shrunk, fy=1 / shrunk, interpolation=cv2.INTER_AREA)
        coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        small = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        return np.asarray(cv2.resize(small, whole.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)

    return make


def noisy(picture: Callable[[], Pixels], sigma: float = 16) -> Callable[[], Pixels]:
    def make() -> Pixels:
        whole = picture()
        return np.clip(whole + np.random.default_rng(0).normal(0, sigma, whole.shape), 0, 255).astype(np.uint8)

    return make


def group() -> Pixels:
    """Five people: one near, four small and blurred."""
    small = [damaged(person(name, 200), 3)() for name in ("mazie-hirono", "tim-scott", "maria-cantwell", "john-hoeven")]
    pairs = [np.concatenate(pair) for pair in (small[:2], small[2:])]
    return np.concatenate([person("jon-ossoff", 400)(), *pairs], axis=1)


def grey(picture: Callable[[], Pixels]) -> Callable[[], Pixels]:
    return lambda: np.array(Image.fromarray(picture()).convert("L").convert("RGB"))


def torn(picture: Callable[[], Pixels]) -> Callable[[], Pixels]:
    def make() -> Pixels:
        whole = Image.fromarray(picture())
        draw = ImageDraw.Draw(whole)
        for start, end in (((120, 60), (330, 300)), ((210, 400), (390, 190)), ((60, 330), (250, 250))):
            draw.line((*start, *end), (245, 245, 245), 14)
        return np.array(whole)

    return make


# The graphs.


@template
def restore(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    return Template(graph, [[[note, picture, model], [restored], [saved]]], Sample(damaged(person("jacky-rosen"))))


@template
def compare(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    compared = graph.add("ImageCompare", image_a=picture.out(), image_b=restored.out())
    rows = [[[note, picture, model], [restored], [compared, saved]]]
    return Template(graph, rows, Sample(noisy(person("raphael-warnock"))))


@template
def app(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    shown = [[picture.id, "image"], [restored.id, "strength"], [model.id, "file"]]
    return Template(
        graph,
        [[[note, picture, model], [restored], [saved]]],
        Sample(damaged(person("tammy-duckworth"), 5)),
        extra={"linearMode": True, "linearData": {"inputs": shown, "outputs": [saved.id]}},
    )


@template
def steps(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    found = graph.add("GPENDetectFaces", image=picture.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=picture.out(), faces=found.out())
    shown = graph.add("PreviewImage", images=restored.out(2))
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    rows = [[[note, picture], [model, found], [restored], [pasted, shown], [saved]]]
    return Template(graph, rows, Sample(damaged(person("charles-grassley"))))


@template
def restorers(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    other = graph.add("GPENLoadModel", file="GFPGANv1.4.pth")
    by_other = graph.add("GPENRestore", model=other.out(), image=picture.out())
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    first = graph.add("SaveImage", images=restored.out(), filename_prefix="restored_preview")
    second = graph.add("SaveImage", images=by_other.out(), filename_prefix="restored_GFPGAN")
    rows = [[[note, picture], [model, other], [restored], [by_other], [first, second]]]
    return Template(graph, rows, Sample(damaged(person("amy-klobuchar"))))


@template
def selection(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    found = graph.add("GPENDetectFaces", image=picture.out())
    model = graph.add("GPENLoadModel")
    chosen = graph.add("GPENSelectFaces", faces=found.out(), max_size=200)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=picture.out(), faces=chosen.out())
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    rows = [[[note, picture], [found], [model, chosen], [restored], [pasted, saved]]]
    return Template(graph, rows, Sample(group, stacked=True))


@template
def generated(note: Note) -> Template:
    graph = Graph()
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors")
    words = "group photo of five friends laughing on a beach, evening light"
    positive = graph.add("CLIPTextEncode", clip=checkpoint.out(1), text=words)
    negative = graph.add("CLIPTextEncode", clip=checkpoint.out(1), text="blurry, watermark, text")
    empty = graph.add("EmptyLatentImage", width=768, height=512, batch_size=1)
    sampled = graph.add(
        "KSampler",
        model=checkpoint.out(),
        positive=positive.out(),
        negative=negative.out(),
        latent_image=empty.out(),
        seed=1,
        steps=20,
        cfg=7.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    )
    decoded = graph.add("VAEDecode", samples=sampled.out(), vae=checkpoint.out(2))
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=decoded.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    file = {
        "name": "v1-5-pruned-emaonly-fp16.safetensors",
        "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/"
        "v1-5-pruned-emaonly-fp16.safetensors",
        "directory": "checkpoints",
    }
    rows = [[[note, checkpoint], [positive, negative, empty], [sampled, decoded, model], [restored], [saved]]]
    sample = Sample(damaged(person("cory-booker"), 7, 80))
    return Template(graph, rows, sample, {checkpoint.id: [file]}, fed=decoded)


@template
def upscaled(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    found = graph.add("GPENDetectFaces", image=picture.out())
    large = graph.add("ImageScaleBy", image=picture.out(), upscale_method="lanczos", scale_by=2.0)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=large.out(), faces=found.out())
    pasted = graph.add("GPENPasteFaces", image=large.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="upscaled")
    rows = [[[note, picture, model], [large, found], [restored], [pasted], [saved]]]
    return Template(graph, rows, Sample(damaged(person("elizabeth-warren", 256), 2)))


@template
def clip(note: Note) -> Template:
    graph = Graph()
    video = graph.add("LoadVideo", file="clip.mp4")
    frames = graph.add("GetVideoComponents", video=video.out())
    found = graph.add("GPENDetectFaces", image=frames.out())
    model = graph.add("GPENLoadModel")
    tracked = graph.add("GPENTrackFaces", faces=found.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=frames.out(), faces=tracked.out())
    pasted = graph.add("GPENPasteFaces", image=frames.out(), faces=restored.out())
    joined = graph.add("CreateVideo", images=pasted.out(), audio=frames.out(1), fps=frames.out(2))
    saved = graph.add("SaveVideo", video=joined.out(), filename_prefix="video/restored")
    rows = [[[note, video], [frames, found], [tracked, model], [restored, joined], [pasted, saved]]]
    return Template(graph, rows, Sample(noisy(person("john-thune", 320)), frames=3), fed=frames)


@template
def film(note: Note) -> Template:
    graph = Graph()
    video = graph.add("LoadVideo", file="clip.mp4")
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestoreVideo", model=model.out(), video=video.out())
    saved = graph.add("SaveVideo", video=restored.out(), filename_prefix="video/restored")
    rows = [[[note, video, model], [restored], [saved]]]
    return Template(graph, rows, Sample(noisy(person("sherrod-brown", 320)), frames=3), fed=video)


@template
def scan(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestoreTiled", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="scan")
    return Template(graph, [[[note, picture, model], [restored], [saved]]], Sample(noisy(person("angus-king", 768))))


@template
def colour(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel", file="GPEN-Colorization-1024.pth")
    coloured = graph.add("GPENRestoreAligned", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=coloured.out(), filename_prefix="coloured")
    whole = person("catherine-cortez-masto")
    return Template(graph, [[[note, picture, model], [coloured], [saved]]], Sample(grey(whole), whole))


@template
def holes(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel", file="GPEN-Inpainting-1024.pth")
    filled = graph.add("GPENRestoreAligned", model=model.out(), image=picture.out(), mask=picture.out(1))
    saved = graph.add("SaveImage", images=filled.out(), filename_prefix="filled")
    whole = person("tammy-baldwin")
    return Template(graph, [[[note, picture, model], [filled], [saved]]], Sample(torn(whole), whole))


@template
def crops(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    crop = graph.add("GPENFaceCrops", faces=restored.out(1), image=picture.out())
    sharpened = graph.add("ImageSharpen", image=crop.out(), sharpen_radius=1, sigma=0.5, alpha=0.5)
    replaced = graph.add("GPENReplaceCrops", faces=crop.out(4), crops=sharpened.out())
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=replaced.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    rows = [[[note, picture], [model, restored], [crop], [sharpened, replaced], [pasted, saved]]]
    return Template(graph, rows, Sample(damaged(person("mark-kelly"))))


@template
def card(note: Note) -> Template:
    graph = Graph()
    picture = graph.add("LoadImage", image=EXAMPLE)
    model = graph.add("GPENLoadModel", precision="fp16", memory="low")
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    return Template(graph, [[[note, picture, model], [restored], [saved]]], Sample(damaged(person("lisa-murkowski"))))


def blueprint(info: Info) -> dict[str, Any]:
    """The steps in a row as one node that people can open and change."""
    graph = Graph()
    found = graph.add("GPENDetectFaces")
    model = graph.add("GPENLoadModel")
    chosen = graph.add("GPENSelectFaces", faces=found.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), faces=chosen.out())
    pasted = graph.add("GPENPasteFaces", faces=restored.out())
    made = Blueprint(
        "Restore Faces Step by Step (GPEN)",
        "Finds the faces of a picture, restores them and puts them back. Open it to see and change each step.",
        "image/face/GPEN",
        [[[found], [chosen, model], [restored], [pasted]]],
        {"image": [(found, "image"), (restored, "image"), (pasted, "image")]},
        {"image": [(pasted, "image")], "mask": [(pasted, "mask")], "faces": [(restored, "faces")]},
        [(model, "file"), (pasted, "strength"), (pasted, "mask"), (pasted, "skin"), (found, "detector")],
    )
    return to_blueprint(graph, info, made)


def main(topics: Sequence[str]) -> None:
    """Write templates with their thumbnails, the blueprint, and the list of templates for the page script."""
    if unknown := set(topics) - set(MAKERS):
        sys.exit(f"error: no such topic: {', '.join(sorted(unknown))}; choose from: {', '.join(MAKERS)}")
    provide()
    with Server(CACHE / "templates") as server, Client(server.url) as client:
        info = client.object_info()
        for topic, make in MAKERS.items():
            note = note_of(topic)
            made = make(note)
            missing = {node.class_type for node in made.graph.nodes} - set(info)
            if topics and topic not in topics:
                continue
            if missing:
                print(f"{topic}: left as it was, since this ComfyUI has no {', '.join(sorted(missing))}")
                continue
            write(title(note.text), made, info, client)
        write_workflow(ROOT / "subgraphs" / "Restore Faces Step by Step (GPEN).json", blueprint(info))
    write_for_the_page()


def write(name: str, made: Template, info: Info, client: Client) -> None:
    path = WORKFLOWS / f"{name}.json"
    workflow = to_workflow(made.graph, info, made.rows, made.models)
    workflow["extra"] |= made.extra
    write_workflow(path, workflow)
    thumbnail(made, client).save(path.with_suffix(".jpg"), quality=85)
    print(path)


def write_for_the_page() -> None:
    """What the page script reads: order, titles in other languages and needs of the templates; and their picture."""
    Image.fromarray(damaged_photograph()).save(WEB / EXAMPLE, quality=90)
    listed: list[dict[str, Any]] = []
    for topic, make in MAKERS.items():
        note = note_of(topic)
        needs = sorted({node.class_type for node in make(note).graph.nodes if not node.class_type.startswith("GPEN")})
        titles = {language: title(text) for language, text in note.elsewhere.items()}
        listed.append({"name": title(note.text), "titles": titles, "needs": needs})
    (WEB / "templates.json").write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# Thumbnails.


def thumbnail(made: Template, client: Client) -> Image.Image:
    """Before | after: the sample, and what the template makes of it."""
    sample = made.sample
    before = sample.before()
    after = sample.original() if sample.original else result(made, before, client)
    after = np.array(Image.fromarray(after).resize(before.shape[1::-1], Image.Resampling.LANCZOS))
    if sample.stacked:
        halves = [_cropped(picture, SIDE, SIDE // 2) for picture in (before, after)]
        joined = np.concatenate([np.asarray(half) for half in halves])
    else:
        left, right = (np.asarray(_cropped(picture, SIDE, SIDE)) for picture in (before, after))
        joined = np.concatenate([left[:, : SIDE // 2], right[:, SIDE // 2 :]], axis=1)
    picture = Image.fromarray(joined)
    draw = ImageDraw.Draw(picture)
    middle = (0, SIDE // 2, SIDE, SIDE // 2) if sample.stacked else (SIDE // 2, 0, SIDE // 2, SIDE)
    draw.line(middle, "white", 3)
    if sample.original:
        place, font = (SIDE // 2 + 8, SIDE - 26), ImageFont.load_default(18)
        draw.text(place, "the original", "white", font, stroke_width=2, stroke_fill="black")
    return picture


def _cropped(picture: Pixels, width: int, height: int) -> Image.Image:
    """The middle of a picture, of this shape and size."""
    whole = Image.fromarray(picture)
    scale = max(width / whole.width, height / whole.height)
    whole = whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)
    left, top = (whole.width - width) // 2, (whole.height - height) // 2
    return whole.crop((left, top, left + width, top + height))


def result(made: Template, before: Pixels, client: Client) -> Pixels:
    """What the last of our nodes in a template makes of its sample; of a clip, the first frame."""
    prompt = to_prompt(to_workflow(made.graph, client.object_info(), made.rows), client.object_info())
    name = client.upload(before, "sample.png")
    prompt |= {"sample": {"class_type": "LoadImage", "inputs": {"image": name}}}
    frames = {"image": ["sample", 0], "amount": made.sample.frames}
    prompt |= {"frames": {"class_type": "RepeatImageBatch", "inputs": frames}}
    source = made.fed or next(node for node in made.graph.nodes if node.class_type == "LoadImage")
    last = [node for node in made.graph.nodes if node.class_type.startswith("GPEN")][-1]
    given, shown = ["frames", 0], last.out()
    if source.class_type == "LoadVideo":
        prompt["film"] = {"class_type": "CreateVideo", "inputs": {"images": given, "fps": 25.0}}
        prompt["parts"] = {"class_type": "GetVideoComponents", "inputs": {"video": shown}}
        given, shown = ["film", 0], ["parts", 0]
    for node in prompt.values():
        inputs = node["inputs"]
        inputs |= {key: given for key, value in inputs.items() if value == source.out()}
    prompt = {key: node for key, node in prompt.items() if node["class_type"] not in OUTPUTS}
    prompt["shown"] = {"class_type": "PreviewImage", "inputs": {"images": shown}}
    return client.pictures(client.run(prompt), "shown")[0]


if __name__ == "__main__":
    main(sys.argv[1:])
