"""Figures and pictures of a checkpoint on people it never saw: `python -m training.evaluate`.

Everyone of the held-out tenth is damaged with a fixed seed at three strengths, the thirds of what training covers.
The model is compared with its input and with OpenCV's classical filters. For each strength a filter gets the settings
that are best *on these very pictures*, which favours the filters: the model never saw them.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from tqdm import tqdm

import gpen

from .data import CACHE, centre, load_crops, to_picture, to_tensor
from .degrade import STRENGTHS, Picture, degrade
from .export import WEIGHTS

Restorer = Callable[[Picture], Picture]
Score = tuple[float, float]
"""PSNR in dB (higher is better), SSIM (up to 1): the mean over people."""

RESULTS = Path(__file__).parents[1] / "docs/preview"
SHEET_PEOPLE = 3


def damaged(picture: Picture, person: int, strength: str) -> Picture:
    """The one damaged picture of a person at a strength."""
    rng = np.random.default_rng([2021, person, list(STRENGTHS).index(strength)])
    return degrade(picture, rng.uniform(*STRENGTHS[strength]), rng)


def score(restored: list[Picture], originals: list[Picture]) -> Score:
    """Mean PSNR and SSIM (Gaussian window of σ = 1.5 as in Wang et al. 2004, mean of the colour channels)."""
    pairs = list(zip(originals, restored, strict=True))
    psnr = [peak_signal_noise_ratio(original, picture, data_range=1) for original, picture in pairs]
    ssim = [
        structural_similarity(
            original,
            picture,
            channel_axis=2,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for original, picture in pairs
    ]
    return float(np.mean(psnr)), float(np.mean(ssim))


def filters() -> Iterator[tuple[str, Restorer]]:
    """Every classical filter that is tried, with what it is called in the table."""
    for strength, colour in itertools.product((1, 2, 4, 7, 12), (3, 10)):
        yield f"non-local means h={strength} hColor={colour}", partial(_non_local_means, strength, colour)
    for sigma_colour, sigma_space in itertools.product((0.04, 0.08, 0.12, 0.2, 0.3), (1.5, 3, 5, 8)):
        yield (
            f"bilateral sigmaColor={sigma_colour} sigmaSpace={sigma_space}",
            partial(_bilateral, sigma_colour, sigma_space),
        )


def _non_local_means(strength: float, colour: float, picture: Picture) -> Picture:
    pixels = np.ascontiguousarray((picture[:, :, ::-1] * 255).round().astype(np.uint8))
    return cv2.fastNlMeansDenoisingColored(pixels, None, strength, colour)[:, :, ::-1].astype(np.float32) / 255


def _bilateral(sigma_colour: float, sigma_space: float, picture: Picture) -> Picture:
    return cv2.bilateralFilter(picture, -1, sigma_colour, sigma_space)


def best_filter(pictures: list[Picture], originals: list[Picture], bar: tqdm) -> tuple[str, Score]:
    """The filter of the highest mean PSNR on exactly these pictures."""
    tried: list[tuple[str, Restorer, float]] = []
    for name, restore in filters():
        restored = [restore(picture) for picture in pictures]
        errors = [np.square(a - b).mean() for a, b in zip(restored, originals, strict=True)]
        tried.append((name, restore, float(-10 * np.log10(errors).mean())))
        bar.update()
    name, restore, _ = max(tried, key=lambda entry: entry[2])
    return name, score([restore(picture) for picture in pictures], originals)


def model_restorer(file: Path) -> Restorer:
    """The checkpoint as people run it, in float32."""
    model = gpen.load_model(file, precision="fp32", device="cpu")
    return lambda picture: to_picture(model(to_tensor(picture)[None])[0])


def sheet(file: Path, rows: dict[str, list[tuple[Picture, Picture, Picture]]]) -> None:
    """Damaged | restored | original of a few people, one row a strength, with labels."""
    lines = []
    for strength, people in rows.items():
        line = np.hstack([np.hstack(pictures) for pictures in people])
        bgr = (line[:, :, ::-1] * 255).round().astype(np.uint8)
        lines.append(np.vstack([_caption(strength, bgr.shape[1]), bgr]))
    coded = cv2.imencode(".jpg", np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    file.write_bytes(coded.tobytes())


def _caption(strength: str, width: int) -> npt.NDArray[np.uint8]:
    strip = np.full((28, width, 3), 255, np.uint8)
    text = f"{strength}: damaged | restored | original"
    cv2.putText(strip, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def markdown(figures: dict[str, dict[str, dict[str, float | str]]], people: int) -> str:
    """The table of the model card."""
    lines = [
        f"{people} people who were never trained on; mean PSNR (dB) / SSIM:",
        "",
        "| strength | damaged input | best classical filter | this model | over input | over filter |",
        "|---|---|---|---|---|---|",
    ]
    for strength, row in figures.items():
        cells = [f"{row[name]['psnr']:.2f} / {row[name]['ssim']:.3f}" for name in ("input", "filter", "model")]
        gains = [f"{row['model']['psnr'] - row[name]['psnr']:+.2f} dB" for name in ("input", "filter")]  # type: ignore[operator]
        lines.append(f"| {' | '.join([strength, *cells, *gains])} |")
    chosen = [f"{strength}: {row['filter']['name']}" for strength, row in figures.items() if "name" in row["filter"]]
    return "\n".join([*lines, "", f"Best filters: {'; '.join(chosen)}.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where `prepare` left the crops")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the table and the sheet")
    parser.add_argument("--split", default="held-out", choices=("held-out", "validation"))
    settings = parser.parse_args()

    names, crops = load_crops(settings.cache, settings.split)
    originals = [centre(crop) for crop in crops]
    restore = model_restorer(settings.weights)
    figures, rows = {}, {}
    with tqdm(total=len(STRENGTHS) * len(list(filters())), desc="filters", unit="setting") as bar:
        for strength in STRENGTHS:
            pictures = [damaged(original, i, strength) for i, original in enumerate(originals)]
            restored = [restore(picture) for picture in pictures]
            name, filtered = best_filter(pictures, originals, bar)
            scores = {"input": score(pictures, originals), "filter": filtered, "model": score(restored, originals)}
            figures[strength] = {key: {"psnr": psnr, "ssim": ssim} for key, (psnr, ssim) in scores.items()}
            figures[strength]["filter"]["name"] = name
            step = len(names) // SHEET_PEOPLE
            rows[strength] = list(zip(pictures, restored, originals, strict=True))[::step][:SHEET_PEOPLE]
    mean = {
        key: {unit: float(np.mean([row[key][unit] for row in figures.values()])) for unit in ("psnr", "ssim")}
        for key in ("input", "filter", "model")
    }
    figures["mean"] = mean

    table = markdown(figures, len(names))
    print(table)
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (settings.output / "figures.md").write_text(table, encoding="utf-8")
    sheet(settings.output / "before-after.jpg", rows)


if __name__ == "__main__":
    main()
