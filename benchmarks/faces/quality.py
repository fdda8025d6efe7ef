"""What restoring does to faces that were good or hardly damaged: `python -m benchmarks.faces --only quality`.

Portraits are damaged, restored by the model in the box with default settings, and compared with what they were, inside
the face's box. Nothing was tuned on these people.
"""

from collections.abc import Callable
from functools import cache, partial

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.image.luminance import luminance
from gpen.restorers.protocol import Restorer
from tests.support.faces import after_of, cut_face, with_after
from tests.support.large_faces import jpeg
from tests.support.photograph import shared_faces

from .row import Row, at_least, at_most
from .sheets import write_sheet

PEOPLE = 12
GREY_PEOPLE = 10
SEPIA = np.array([1.07, 0.98, 0.78], np.float32)

Pixels = np.ndarray
"""(H, W, 3) float32 in 0..1"""


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    """With white noise, the same at every run."""
    noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return (pixels + noise * np.float32(sigma)).clip(0, 1)


DAMAGES: dict[str, Callable[[Pixels], Pixels]] = {
    "clean": lambda pixels: pixels,
    "JPEG 40": lambda pixels: jpeg(pixels, 40),
    "blur σ = 1": lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 1),
    "noise σ = 0.02": lambda pixels: noisy(pixels, 0.02),
    "noise σ = 0.06": lambda pixels: noisy(pixels, 0.06),
    "noise σ = 0.05, JPEG 40": lambda pixels: jpeg(noisy(pixels, 0.05), 40),
}
BARS = {
    (1024, "clean"): 41.8,
    (1024, "JPEG 40"): 35.3,
    (1024, "blur σ = 1"): 35.0,
    (1024, "noise σ = 0.02"): 37.0,
    (1024, "noise σ = 0.06"): 31.3,
    (1024, "noise σ = 0.05, JPEG 40"): 33.2,
    (480, "clean"): 44.0,
    (480, "noise σ = 0.06"): 29.9,
    (480, "noise σ = 0.05, JPEG 40"): 31.7,
}
"""PSNR in dB, by the portrait's side and damage."""


def portraits(side: int, people: int = PEOPLE) -> list[Pixels]:
    """Official portraits (side, side, 3)."""
    files = sorted((shared_faces() / "us-senate").glob("*.jpg"))[3::8][:people]
    pictures = [gpen.read_picture(file).rgb[0].numpy() for file in files]
    return [pixels if len(pixels) == side else _resized(pixels, side) for pixels in pictures]


def _resized(pixels: Pixels, side: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.float32)


@cache
def model() -> Restorer:
    """The one in the box."""
    return gpen.load_model("preview", device="cpu")


@cache
def restored(side: int, damage: str) -> list[tuple[Pixels, Tensor, gpen.Faces]]:
    """Of each portrait: as it was, damaged (1, H, W, 3), and its restored faces."""
    results: list[tuple[Pixels, Tensor, gpen.Faces]] = []
    for clean in portraits(side):
        picture = in_8_bits(DAMAGES[damage](clean))
        faces = gpen.detect_faces(picture, gpen.open_detector("mtcnn"))
        results.append((clean, picture, gpen.restore_faces(model(), picture, faces)))
    return results


def in_8_bits(pixels: Pixels) -> Tensor:
    """As a file holds it: (1, H, W, 3)."""
    return torch.from_numpy(np.round(pixels.clip(0, 1) * 255).astype(np.float32) / 255)[None]


def box_of(faces: gpen.Faces) -> tuple[slice, slice]:
    """Rows and columns of the largest face."""
    left, top, right, bottom = (max(0, round(edge)) for edge in max(faces, key=lambda face: face.size).box)
    return slice(top, bottom), slice(left, right)


def psnr(pixels: Pixels, truth: Pixels) -> float:
    """In dB, of values in 0..1."""
    return -10 * float(np.log10(max(1e-10, float(np.square(pixels - truth).mean()))))


def near_the_original(side: int, damage: str) -> Row:
    """Mean PSNR of a portrait that was damaged and restored."""
    measured, sheet = [], []
    for clean, picture, faces in restored(side, damage):
        if not len(faces):
            continue
        truth, came, done, network = (
            pixels[box_of(faces)]
            for pixels in (
                clean,
                picture[0].numpy(),
                gpen.paste_faces(picture, faces).image[0].numpy(),
                gpen.paste_faces(picture, faces, large_faces="off", skin=1.0).image[0].numpy(),
            )
        )
        measured.append([psnr(pixels, truth) for pixels in (done, came, network, best_mix(came, network, truth))])
        sheet.append((measured[-1][0], [truth, came, done]))
    write_sheet(f"{side} {damage}", sorted(sheet, key=lambda pair: -pair[0]))
    value, came, network, best = np.mean(measured, axis=0)
    others = f"as it came {min(came, 99):.1f}, network alone {network:.1f}, best mix of the two {min(best, 99):.1f}"
    name = f"{side} px, {len(measured)} people, {damage}: PSNR, dB ({others})"
    return at_least(name, float(value), BARS[side, damage], "{:.1f}")


def best_mix(one: Pixels, other: Pixels, truth: Pixels) -> Pixels:
    """The nearest to the truth of all that blend two pictures (H, W, 3) by one weight for each 17×17 pixels.

    Nobody who does not know the truth can blend them better.
    """
    window = (17, 17)
    apart = other - one
    wanted = cv2.boxFilter(((truth - one) * apart).sum(2), -1, window)
    weight = (wanted / (cv2.boxFilter((apart * apart).sum(2), -1, window) + 1e-9)).clip(0, 1)
    return one + np.asarray(weight, np.float32)[..., None] * apart


def clean_faces() -> tuple[Row, ...]:
    """What is asked of portraits that nothing was done to."""
    return near_the_original(1024, "clean"), clean_structure(), grain_on_clean_faces()


def clean_structure() -> Row:
    """Mean SSIM of a clean portrait that was restored."""
    from skimage.metrics import structural_similarity

    values = [
        structural_similarity(
            gpen.paste_faces(picture, faces).image[0].numpy()[box_of(faces)],
            clean[box_of(faces)],
            channel_axis=2,
            data_range=1,
        )
        for clean, picture, faces in restored(1024, "clean")
        if len(faces)
    ]
    return at_least("1024 px, clean: SSIM", float(np.mean(values)), 0.975)


def grain_on_clean_faces() -> Row:
    """How much a clean portrait loses by full grain."""
    losses = [
        psnr(gpen.paste_faces(picture, faces).image[0].numpy()[box_of(faces)], clean[box_of(faces)])
        - psnr(gpen.paste_faces(picture, faces, grain=1.0).image[0].numpy()[box_of(faces)], clean[box_of(faces)])
        for clean, picture, faces in restored(1024, "clean")
        if len(faces)
    ]
    return at_most("1024 px, clean: dB lost by grain 1", float(np.mean(losses)), 0.2, "{:.2f}")


def tint_is_kept(name: str, tint: Pixels) -> Row:
    """The largest difference of chroma that restoring makes to portraits of one tint, in grey levels."""
    worst = 0.0
    for clean in portraits(480, GREY_PEOPLE):
        picture = in_8_bits(luminance(clean)[..., None] * tint)
        done = gpen.restore(model(), picture, gpen.open_detector("mtcnn")).image[0].numpy()
        before = picture[0].numpy()
        change = (done - luminance(done)[..., None]) - (before - luminance(before)[..., None])
        worst = max(worst, 255 * float(np.abs(change).max()))
    return at_most(f"{GREY_PEOPLE} {name} portraits: change of chroma, grey levels", worst, 1.0, "{:.2f}")


def color_after_blur() -> Row:
    """What "full" colour changes where a blurred face was restored to the very original: nothing that is contrast."""
    figures = []
    for clean in portraits(480):
        truth, picture = in_8_bits(clean), in_8_bits(cv2.GaussianBlur(clean, (0, 0), 4))
        face = max(gpen.detect_faces(truth, gpen.open_detector("mtcnn")), key=lambda face: face.size)
        blurred = cut_face(picture, face.landmarks, 512)
        perfect = with_after(blurred, after_of(cut_face(truth, face.landmarks, 512)))
        faces = gpen.Faces((perfect,), 480, 480, 1)
        plain, full = (gpen.paste_faces(picture, faces, color=color, large_faces="off") for color in ("off", "full"))
        inside = plain.mask > 0.99
        figures.append(psnr(full.image[inside].numpy(), plain.image[inside].numpy()))
    words = f"{PEOPLE} blurred faces restored to the original: full colour against none, PSNR, dB"
    return at_least(words, float(np.mean(figures)), 40, "{:.1f}")


ROWS: tuple[Callable[[], Row | tuple[Row, ...]], ...] = (
    clean_faces,
    *(partial(near_the_original, side, damage) for side, damage in BARS if (side, damage) != (1024, "clean")),
    partial(tint_is_kept, "grey", np.ones(3, np.float32)),
    partial(tint_is_kept, "sepia", SEPIA),
    color_after_blur,
)
