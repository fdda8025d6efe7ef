"""Figures and pictures of a checkpoint on people it never saw: `python -m training.evaluate`.

Everyone of the held-out tenth is damaged once by each recipe of `exam.py`, which training never uses. The model is
compared with its input and with OpenCV's classical filters. A filter is chosen for each damage on some of *these very
pictures*, which favours the filters: the model never saw them.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from tqdm import tqdm

import gpen

from .classical import Restorer, best_filter
from .data import CACHE, centre, load_crops
from .degrade import LUMINANCE, Picture
from .exam import DAMAGES, damaged
from .export import WEIGHTS
from .identity import Identity
from .losses import FaceFeatures
from .places import BOX
from .tone import GROUPS, group_of, skin_tone

RESULTS = Path(__file__).parents[1] / "docs/preview"
SHEETS = CACHE / "evaluation"
WORST = 10
"""People on each contact sheet."""
SHOWN = 3
"""People in each row of the pictures that are published."""
TUNED_ON = 6
"""Every so-manieth person decides which filter is best."""
SAME = 90.0
"""PSNR in dB of a picture that did not change, so that means stay finite."""


@dataclass(frozen=True)
class Score:
    """How near a picture is to the original."""

    psnr: float
    """Of the face's box, dB."""
    ssim: float
    """Of the face's box."""
    psnr_crop: float
    """Of the whole crop, dB."""
    ssim_crop: float
    features: float
    """Distance of what a face detector sees, eyes and mouth no more than the rest; 0 is the same."""
    identity: float
    """Distance of dlib's face embeddings; NaN where dlib is not installed."""
    colour: float
    """The largest difference of two channels anywhere, 0..255: what a grey picture should have none of."""


class Judge:
    """Scores pictures of one person after the other."""

    def __init__(self, face_features: Path):
        self.features = FaceFeatures(face_features)
        try:
            self.identity = Identity()
        except ImportError as missing:
            print(f"no identity distances: {missing}")
            self.identity = None

    def __call__(self, original: Picture, pictures: Sequence[Picture]) -> list[Score]:
        left, top, right, bottom = (round(edge * len(original)) for edge in BOX)
        box = np.s_[top:bottom, left:right]
        nan = [float("nan")] * len(pictures)
        identities = self.identity.distances(original, *pictures) if self.identity else nan
        batch = torch.stack([_tensor(picture) for picture in pictures])
        features = self.features.distance(batch, _tensor(original)[None].expand_as(batch), weighted=False).tolist()
        return [
            Score(
                _psnr(picture[box], original[box]),
                _ssim(picture[box], original[box]),
                _psnr(picture, original),
                _ssim(picture, original),
                distance,
                identity,
                float(np.ptp(picture, axis=2).max() * 255),
            )
            for picture, distance, identity in zip(pictures, features, identities, strict=True)
        ]


def _psnr(picture: Picture, original: Picture) -> float:
    return float(min(SAME, -10 * np.log10(np.square(picture.astype(np.float64) - original).mean() + 1e-12)))


def _ssim(picture: Picture, original: Picture) -> float:
    """Gaussian window of σ = 1.5 as in Wang et al. 2004, mean of the colour channels."""
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity: Any = structural_similarity(original, picture, channel_axis=2, data_range=1, **how)
    return float(similarity)


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float() * 2 - 1


def model_restorer(file: Path) -> Restorer:
    """The checkpoint as people run it, in float32."""
    model = gpen.load_model(file, precision="fp32", device="cpu")
    return lambda picture: model.restore(torch.from_numpy(picture)[None])[0].numpy()


def mean(scores: Sequence[Score]) -> Score:
    """Value by value."""
    return Score(*np.mean([astuple(score) for score in scores], axis=0).tolist())


def markdown(figures: dict[str, dict[str, Score]], filters: dict[str, str], groups: dict[str, dict[str, float]]) -> str:
    """The tables of the model card."""
    lines = [
        "| damage | input → model, dB | gain | best filter | SSIM | whole crop | features | identity |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for damage, row in figures.items():
        before, after, filtered = row["input"], row["model"], row["filter"]
        known = damage != "clean"
        cells = [
            damage,
            f"{before.psnr:.2f} → {after.psnr:.2f}" if known else f"{after.psnr:.2f}",
            f"{after.psnr - before.psnr:+.2f}" if known else "",
            f"{filtered.psnr - before.psnr:+.2f}" if known else "",
            f"{before.ssim:.3f} → {after.ssim:.3f}",
            f"{after.psnr_crop - before.psnr_crop:+.2f}" if known else f"{after.psnr_crop:.2f}",
            f"{after.features / before.features - 1:+.0%}" if known else f"{after.features:.3f}",
            f"{before.identity:.3f} → {after.identity:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    damages = [damage for damage in figures if damage != "clean"]
    lines += ["", f"| skin tone, gain in dB | people | {' | '.join(damages)} |", "|---" * (len(damages) + 2) + "|"]
    for group, row in groups.items():
        lines.append(f"| {group} | {row['people']:.0f} | {' | '.join(f'{row[damage]:+.2f}' for damage in damages)} |")
    grey = figures["grey"]["model"].colour
    chosen = "; ".join(f"{damage}: {name}" for damage, name in filters.items() if damage != "clean")
    lines += ["", f"Colour in a grey picture: {grey:.1f} of 255 (mean of the largest).", "", f"Best filters: {chosen}."]
    return "\n".join([*lines, ""])


def sheet(rows: dict[str, list[tuple[Picture, Picture, Picture]]], across: int) -> bytes:
    """Damaged | restored | original of some people, `across` of them side by side, under their labels, as a JPEG."""
    lines = []
    for label, people in rows.items():
        blank = [np.ones_like(people[0][0])] * 3
        people = [*people, *[blank] * (-len(people) % across)]
        width = 0
        strips = []
        for first in range(0, len(people), across):
            line = np.hstack([np.hstack(pictures) for pictures in people[first : first + across]])
            strips.append((line[:, :, ::-1] * 255).round().astype(np.uint8))
            width = line.shape[1]
        lines += [_caption(f"{label}: damaged | restored | original", width), *strips]
    return cv2.imencode(".jpg", np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def _caption(text: str, width: int) -> Picture:
    strip = np.full((28, width, 3), 255, np.uint8)
    return cv2.putText(strip, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)


def main(arguments: Sequence[str] | None = None) -> None:
    shared = Path(os.environ.get("SHARED", "../shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where `prepare` left the crops")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the tables and two pictures")
    parser.add_argument("--sheets", type=Path, default=SHEETS, help="folder for the contact sheets of the worst")
    parser.add_argument(
        "--face-features",
        type=Path,
        default=shared / "weights/detection_mobilenet0.25_Final.pth",
        help="RetinaFace's weights, for the distance of what a face detector sees",
    )
    parser.add_argument("--split", default="held-out", choices=("held-out", "validation", "training"))
    parser.add_argument("--people", type=int, help="so many of them only, for a quick look")
    settings = parser.parse_args(arguments)

    names, crops = load_crops(settings.cache, settings.split)
    chosen_people = np.linspace(0, len(names) - 1, min(settings.people or len(names), len(names))).round().astype(int)
    people = {int(i): centre(crops[i]) for i in chosen_people}
    tones = [group_of(skin_tone(person)) for person in people.values()]
    restore, judge = model_restorer(settings.weights), Judge(settings.face_features)
    figures: dict[str, dict[str, Score]] = {}
    chosen: dict[str, str] = {}
    gains: dict[str, np.ndarray] = {}
    usual: dict[str, list[tuple[Picture, Picture, Picture]]] = {}
    worst: dict[str, list[tuple[Picture, Picture, Picture]]] = {}
    for damage in tqdm(DAMAGES, unit="damage"):
        originals = [_grey(person) if damage == "grey" else person for person in people.values()]
        pictures = [damaged(person, i, damage) for i, person in people.items()]
        restored = [restore(picture) for picture in pictures]
        chosen[damage], restore_filtered = best_filter(pictures[::TUNED_ON], originals[::TUNED_ON])
        filtered = [restore_filtered(picture) for picture in pictures]
        versions = list(zip(pictures, restored, filtered, strict=True))
        scores = [judge(original, three) for original, three in zip(originals, versions, strict=True)]
        before, after, simple = (list(column) for column in zip(*scores, strict=True))
        figures[damage] = {"input": mean(before), "model": mean(after), "filter": mean(simple)}
        gains[damage] = np.array([a.psnr - b.psnr for a, b in zip(after, before, strict=True)])
        triples = list(zip(pictures, restored, originals, strict=True))
        worst[damage] = [triples[i] for i in np.argsort(gains[damage], kind="stable")[:WORST]]
        usual[damage] = triples[:: max(1, len(people) // SHOWN)][:SHOWN]

    groups = {
        group: {"people": float(tones.count(group))}
        | {damage: float(gain[np.array(tones) == group].mean()) for damage, gain in gains.items() if damage != "clean"}
        for group in GROUPS
        if group in tones
    }
    table = markdown(figures, chosen, groups)
    print(f"{len(people)} people\n\n{table}")
    settings.output.mkdir(parents=True, exist_ok=True)
    settings.sheets.mkdir(parents=True, exist_ok=True)
    plain = {damage: {kind: asdict(score) for kind, score in row.items()} for damage, row in figures.items()}
    everything = {"people": len(people), "damages": plain, "filters": chosen, "groups": groups}
    (settings.output / "figures.json").write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    (settings.output / "figures.md").write_text(table, encoding="utf-8")
    (settings.output / "before-after.jpg").write_bytes(sheet(usual, SHOWN))
    failures = {damage: triples[:SHOWN] for damage, triples in worst.items()}
    (settings.output / "failures.jpg").write_bytes(sheet(failures, SHOWN))
    for damage, triples in worst.items():
        (settings.sheets / f"worst-{damage}.jpg").write_bytes(sheet({damage: triples}, 2))


def _grey(picture: Picture) -> Picture:
    return np.repeat((picture @ LUMINANCE)[:, :, None], 3, axis=2)


if __name__ == "__main__":
    main()
