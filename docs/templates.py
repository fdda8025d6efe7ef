"""Makes the templates again, the workflows that ComfyUI lists: `python -m docs.templates`.

Each is a graph for the server, laid out for the page. Where everything that it needs is at hand it is run, and what it
saves becomes half of its thumbnail.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tools.client import Client, Graph, Node, Pixels
from tools.comfyui import CACHE, ROOT, Server, provide
from tools.demo import damaged_photograph
from tools.layout import to_blueprint, to_workflow, write_workflow
from tools.workflow import to_prompt

WORKFLOWS = ROOT / "workflows"
THUMBNAIL = 400
"""Side in pixels."""

EXAMPLE = "example.png"
"""The picture that a fresh ComfyUI has in its input folder."""


@dataclass
class Template:
    """A workflow to be written into `workflows/`."""

    name: str
    """Of its files, and in ComfyUI's list."""
    note: str
    """What stands beside the nodes, in Markdown."""
    graph: Graph
    shown: Node
    """The node that saves the result."""
    models: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Node id → files that it needs and that do not come with the pack."""
    before: Callable[[Pixels], Pixels] = lambda photograph: photograph
    """What of the photograph it is for."""


TEMPLATES: list[Callable[[], Template]] = []


def template(make: Callable[[], Template]) -> Callable[[], Template]:
    """Lists a template."""
    TEMPLATES.append(make)
    return make


def grey(photograph: Pixels) -> Pixels:
    return np.array(Image.fromarray(photograph).convert("L").convert("RGB"))


def scratched(photograph: Pixels) -> Pixels:
    picture = Image.fromarray(photograph)
    draw = ImageDraw.Draw(picture)
    for start, end in (((150, 120), (330, 260)), ((200, 330), (340, 200)), ((90, 60), (60, 420))):
        draw.line((*start, *end), "white", 10)
    return np.array(picture)


@template
def restore_faces() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    note = """## Restore faces

1. Drag a picture onto **Load Image**.
2. Press **Run**.

`preview` is the small model that comes with the pack. For real results choose `GPEN-BFR-512.pth` in **Load GPEN
Model**: it is fetched when the graph runs."""
    return Template("gpen_restore_faces", note, graph, saved)


@template
def step_by_step() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    found = graph.add("GPENDetectFaces", image=picture.out())
    graph.add("PreviewImage", images=found.out(1))
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=picture.out(), faces=found.out())
    graph.add("PreviewImage", images=restored.out(2))
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    note = """## Step by step

**Detect** finds the faces, **Restore** runs the network on each, **Paste** puts them back.

A setting of **Paste Faces** changed afterwards never runs the network again."""
    return Template("gpen_step_by_step", note, graph, saved)


@template
def after_an_upscaler() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    found = graph.add("GPENDetectFaces", image=picture.out())
    large = graph.add("ImageScaleBy", image=picture.out(), upscale_method="lanczos", scale_by=2.0)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=large.out(), faces=found.out())
    pasted = graph.add("GPENPasteFaces", image=large.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="upscaled")
    note = """## After an upscaler

Faces are found on the small picture, which is quick, and restored and pasted on the large one.

**Upscale Image By** stands in for your upscaler: put *Upscale Image (using Model)* in its place."""
    return Template("gpen_after_an_upscaler", note, graph, saved)


@template
def stable_diffusion() -> Template:
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
    note = """## Faces of a Stable Diffusion picture

Small faces come out of Stable Diffusion broken. The last node before **Save Image** repairs them.

For real results choose `GPEN-BFR-512.pth` in **Load GPEN Model**."""
    file = {
        "name": "v1-5-pruned-emaonly-fp16.safetensors",
        "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/"
        "v1-5-pruned-emaonly-fp16.safetensors",
        "directory": "checkpoints",
    }
    return Template("gpen_stable_diffusion", note, graph, saved, {checkpoint.id: [file]})


@template
def small_and_blurry_faces() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    found = graph.add("GPENDetectFaces", image=picture.out())
    graph.add("PreviewImage", images=found.out(1))
    chosen = graph.add("GPENSelectFaces", faces=found.out(), max_size=200)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=picture.out(), faces=chosen.out())
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=restored.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    note = """## Only the small and blurry faces

The preview numbers each face and shows its size in pixels and its sharpness. **Select Faces** keeps those up to
`max_size`; set `max_sharpness` to leave out the sharp ones as well."""
    return Template("gpen_small_and_blurry_faces", note, graph, saved)


@template
def small_card() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel", precision="fp8", memory="low")
    picture = graph.add("LoadImage", image=EXAMPLE)
    restored = graph.add("GPENRestore", model=model.out(), image=picture.out(), count=3)
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="restored")
    note = """## 2 GB card

`memory: low` computes a face in strips: the same result, a little slower, in a fraction of the memory.
`precision: fp8` keeps the weights in 60 % of the memory that `fp16` takes. `count: 3` restores three faces of a
picture at most."""
    return Template("gpen_2gb_card", note, graph, saved)


@template
def clip() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    video = graph.add("LoadVideo", file="clip.mp4")
    frames = graph.add("GetVideoComponents", video=video.out())
    found = graph.add("GPENDetectFaces", image=frames.out())
    tracked = graph.add("GPENTrackFaces", faces=found.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=frames.out(), faces=tracked.out())
    pasted = graph.add("GPENPasteFaces", image=frames.out(), faces=restored.out())
    joined = graph.add("CreateVideo", images=pasted.out(), audio=frames.out(1), fps=frames.out(2))
    saved = graph.add("SaveVideo", video=joined.out(), filename_prefix="video/restored")
    note = """## A clip

**Track Faces** follows each face through the clip, so that it neither trembles nor flickers, and fills the
frames where it was not found. Sound and frame rate stay."""
    return Template("gpen_clip", note, graph, saved)


@template
def crops_through_another_node() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    found = graph.add("GPENDetectFaces", image=picture.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=picture.out(), faces=found.out())
    crops = graph.add("GPENFaceCrops", faces=restored.out(), image=picture.out())
    sharpened = graph.add("ImageSharpen", image=crops.out(), sharpen_radius=1, sigma=0.5, alpha=0.5)
    replaced = graph.add("GPENReplaceCrops", faces=crops.out(4), crops=sharpened.out())
    pasted = graph.add("GPENPasteFaces", image=picture.out(), faces=replaced.out())
    saved = graph.add("SaveImage", images=pasted.out(), filename_prefix="restored")
    note = """## Crops through another node

**Face Crops** hands out the faces, upright and at one size. Put a face detailer, a colour node or another
restorer in the place of **Image Sharpen**; **Replace Crops** takes its pictures back, and **Paste Faces** puts
them where they were."""
    return Template("gpen_crops_through_another_node", note, graph, saved)


@template
def large_scan() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel")
    picture = graph.add("LoadImage", image=EXAMPLE)
    restored = graph.add("GPENRestoreTiled", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=restored.out(), filename_prefix="scan")
    note = """## A large scan, in tiles

For a portrait that fills a large picture: the whole of it goes through the network, in tiles that fade into
each other. For people in a scene, restore their faces instead."""
    return Template("gpen_large_scan", note, graph, saved)


@template
def colorization() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel", file="GPEN-Colorization-1024.pth")
    picture = graph.add("LoadImage", image=EXAMPLE)
    coloured = graph.add("GPENRestoreAligned", model=model.out(), image=picture.out())
    saved = graph.add("SaveImage", images=coloured.out(), filename_prefix="coloured")
    note = """## Colour for a grey portrait

The network takes the whole picture as one upright face and gives it colours; how light each pixel is stays as
it was.

`GPEN-Colorization-1024.pth` is fetched when the graph first runs; its authors allow academic and non-commercial
use only. For a group, use **Restore Faces** with this model: it colours the faces alone."""
    return Template("gpen_colorization", note, graph, saved, before=grey)


@template
def inpainting() -> Template:
    graph = Graph()
    model = graph.add("GPENLoadModel", file="GPEN-Inpainting-1024.pth")
    picture = graph.add("LoadImage", image=EXAMPLE)
    filled = graph.add("GPENRestoreAligned", model=model.out(), image=picture.out(), mask=picture.out(1))
    saved = graph.add("SaveImage", images=filled.out(), filename_prefix="filled")
    note = """## Fill a hole in a portrait

Right-click **Load Image**, choose *Open in MaskEditor* and paint over what is torn or missing. Only what is
painted changes.

`GPEN-Inpainting-1024.pth` is fetched when the graph first runs; its authors allow academic and non-commercial
use only."""
    return Template("gpen_inpainting", note, graph, saved, before=scratched)


def blueprint(info: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The stations in a row as one node that people can open and change."""
    graph = Graph()
    model = graph.add("GPENLoadModel")
    found = graph.add("GPENDetectFaces")
    chosen = graph.add("GPENSelectFaces", faces=found.out())
    restored = graph.add("GPENRestoreFaces", model=model.out(), faces=chosen.out())
    pasted = graph.add("GPENPasteFaces", faces=restored.out())
    inputs = {"image": [(found, "image"), (restored, "image"), (pasted, "image")]}
    outputs = {"image": [(pasted, "image")], "mask": [(pasted, "mask")], "faces": [(restored, "faces")]}
    return to_blueprint(graph, info, "Restore Faces Step by Step (GPEN)", inputs, outputs)


def main() -> None:
    """Write every template with its thumbnail, and the blueprint."""
    provide()
    with Server(CACHE / "templates") as server, Client(server.url) as client:
        damaged = damaged_photograph()
        client.upload(damaged, EXAMPLE)
        info = client.object_info()
        write_workflow(ROOT / "subgraphs" / "Restore Faces Step by Step (GPEN).json", blueprint(info))
        for make in TEMPLATES:
            made = make()
            path = WORKFLOWS / f"{made.name}.json"
            workflow = to_workflow(made.graph, info, made.note, made.models)
            write_workflow(path, workflow)
            after = None
            if runs_at_once(made):
                after = client.pictures(client.run(to_prompt(workflow, info)), made.shown.id)[0]
            thumbnail(made.before(damaged), after).save(path.with_suffix(".jpg"), quality=85)
            print(path)


def runs_at_once(made: Template) -> bool:
    """Whether it needs nothing but what comes with the pack and with ComfyUI."""
    types = {node.class_type for node in made.graph.nodes}
    files = {node.inputs.get("file", "preview") for node in made.graph.nodes if node.class_type == "GPENLoadModel"}
    return not made.models and "LoadVideo" not in types and files == {"preview"}


def thumbnail(before: Pixels, after: Pixels | None) -> Image.Image:
    """The photograph, its right half as the template leaves it; without a result the photograph alone."""
    left = Image.fromarray(before)
    if after is not None:
        right = Image.fromarray(after).resize(left.size)
        left.paste(right.crop((left.width // 2, 0, left.width, left.height)), (left.width // 2, 0))
    return left.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
