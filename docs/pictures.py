"""Makes the pictures of the README again: `python -m docs.pictures [TOPIC …]`.

The topics are "demo" and the files of `docs/sheets`; without one, all are made.
"""

import pkgutil
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont

import gpen
from gpen.image.files import write_picture
from gpen.image.picture import to_uint8
from tests.support.photograph import shared_faces
from tools.demo import damaged_photograph

from . import sheets

DOCS = Path(__file__).parent
HELP = DOCS.parent / "web" / "docs"
# Topics that are seen in the help of a node, too: docs/ is not part of what is published.
HELPS = {
    "demo": "GPENRestore",
    "finding": "GPENDetectFaces",
    "selection": "GPENSelectFaces",
    "clip": "GPENTrackFaces",
    "turned": "GPENRestoreFaces",
    "paste": "GPENPasteFaces",
    "crops": "GPENFaceCrops",
}
HELP_WIDTH = 720
# What a repository should carry of one sheet, and of its copy in the help.
MOST_BYTES = 200_000
HELP_MOST_BYTES = 120_000
# How high a line of a caption is: of a sheet 1280 wide that a page shows 720 wide, 12 pixels are left of 22.
LETTERS = 22
LINE = 27
# Between two cells, in pixels.
GAP = 6

Row = npt.NDArray[np.uint8]
"""(H, W, 3) RGB"""


def main(topics: Sequence[str]) -> None:
    makers = {"demo": demo} | {name: sheet for _, name, _ in pkgutil.iter_modules(sheets.__path__)}
    if unknown := set(topics) - set(makers):
        sys.exit(f"error: no such topic: {', '.join(sorted(unknown))}; choose from: {', '.join(makers)}")
    for topic in topics or makers:
        makers[topic](topic)
        if topic in HELPS:
            for_help(topic)


def demo(_: str) -> None:
    """The demo's photograph before and after, by the preview model: side by side."""
    damaged = torch.from_numpy(damaged_photograph().copy())[None].float() / 255
    restored = gpen.restore(gpen.load_model("preview"), damaged, gpen.open_detector("mtcnn")).image
    write_picture(DOCS / "demo.jpg", torch.cat([damaged, restored], dim=2))
    _for_the_registry(*(Image.fromarray(to_uint8(picture[0])) for picture in (damaged, restored)))


def _for_the_registry(damaged: Image.Image, restored: Image.Image) -> None:
    """The pack's square icon and its banner of 21:9: the face, one half before, one after."""
    head = (106, 56, 406, 356)
    icon = _halves(damaged.crop(head), restored.crop(head), 400)
    icon.save(DOCS / "registry" / "icon.jpg", quality=90)
    banner = Image.new("RGB", (1260, 540), (23, 23, 23))
    banner.paste(_halves(damaged.crop(head), restored.crop(head), 540), (0, 0))
    draw = ImageDraw.Draw(banner)
    draw.text((600, 200), "GPEN Face Restore", "white", ImageFont.load_default(70))
    draw.text((600, 300), "repairs broken faces in pictures", (200, 200, 200), ImageFont.load_default(34))
    banner.save(DOCS / "registry" / "banner.jpg", quality=88)


def _halves(before: Image.Image, after: Image.Image, side: int) -> Image.Image:
    both = after.resize((side, side), Image.Resampling.LANCZOS)
    both.paste(before.resize((side, side), Image.Resampling.LANCZOS).crop((0, 0, side // 2, side)), (0, 0))
    ImageDraw.Draw(both).line((side // 2, 0, side // 2, side), "white", 3)
    return both


def for_help(topic: str) -> None:
    """A small copy of a picture of ours, where the page looks for it."""
    picture = Image.open(DOCS / f"{topic}.jpg")
    picture.thumbnail((HELP_WIDTH, HELP_WIDTH * 2), Image.Resampling.LANCZOS)
    folder = HELP / HELPS[topic]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{topic}.jpg").write_bytes(jpeg(np.asarray(picture), HELP_MOST_BYTES, best=75))


def sheet(topic: str) -> None:
    """The sheet of `docs/sheets/<topic>.py`."""
    picture = stacked(import_module(f"{sheets.__name__}.{topic}").make())
    data = jpeg(picture, MOST_BYTES)
    path = DOCS / f"{topic}.jpg"
    path.write_bytes(data)
    print(f"{path}: {picture.shape[1]}×{picture.shape[0]}, {len(data) // 1000} kB")


def jpeg(picture: Row, most_bytes: int, best: int = 95) -> bytes:
    """A picture in the best JPEG quality, up to `best`, that stays within so many bytes."""
    data = b""
    for quality in range(best, 4, -5):
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= most_bytes:
            break
    return data


def stacked(rows: Sequence[Row]) -> Row:
    """Rows of any width below each other, white where one is shorter than the widest."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


def captioned(cells: Mapping[str, Row]) -> Row:
    """A row of cells of one height, each under a white strip that says what it shows, in as many lines as it takes.

    Pillow's own letters lack × and → and dashes: x and "to" and - do.
    """
    font = ImageFont.load_default(LETTERS)
    texts = [_wrapped(text, font, cell.shape[1]) for text, cell in cells.items()]
    most = max(len(lines) for lines in texts)
    row: list[Row] = []
    for lines, cell in zip(texts, cells.values(), strict=True):
        strip = Image.new("RGB", (cell.shape[1], LINE * most + 2 * GAP), "white")
        draw = ImageDraw.Draw(strip)
        for i, line in enumerate(lines):  # the last line is next to the cell
            draw.text((2, GAP + LINE * (most - len(lines) + i)), line, (30, 30, 30), font)
        row += [np.concatenate([np.asarray(strip), cell]), np.full((strip.height + len(cell), GAP, 3), 255, np.uint8)]
    return np.concatenate(row[:-1], axis=1)


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines[-1:] = [longer] if font.getlength(longer) <= width - 4 else [lines[-1], word]
    return [line for line in lines if line]


def scaled(picture: Row, width: int) -> Row:
    """The same picture, `width` wide."""
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def portrait(file: str | Path, side: int) -> Row:
    """One of `shared_faces()`, which are square, `side` pixels high and wide."""
    return scaled(np.array(Image.open(shared_faces() / file).convert("RGB")), side)


if __name__ == "__main__":
    main(sys.argv[1:])
