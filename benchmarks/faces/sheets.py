"""Contact sheets: the five worst of a row at 1:1, to be looked at; they lie in `.cache/faces`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent.parent.parent / ".cache" / "faces"
WORST = 5
LARGEST = 640
"""Of a picture on a sheet, in pixels; of a larger one its middle is shown."""


def write_sheet(name: str, best_first: Iterable[tuple[float, Sequence[np.ndarray]]]) -> None:
    """A line for each of the last five; each is a figure and pictures (H, W, 3), 8-bit or in 0..1."""
    lines = [_line(figure, pictures) for figure, pictures in list(best_first)[-WORST:]]
    if not lines:
        return
    width = max(line.shape[1] for line in lines)
    sheet = np.concatenate([np.pad(line, ((0, 4), (0, width - line.shape[1]), (0, 0))) for line in lines])
    FOLDER.mkdir(parents=True, exist_ok=True)
    title = re.sub(r"[^\w.]+", "-", name).strip("-")
    cv2.imwrite(str(FOLDER / f"{title}.png"), sheet[..., ::-1])


def _line(figure: float, pictures: Sequence[np.ndarray]) -> np.ndarray:
    shown = [_middle(picture) for picture in pictures]
    height = max(picture.shape[0] for picture in shown)
    line = np.concatenate([np.pad(x, ((0, height - len(x)), (0, 4), (0, 0))) for x in shown], axis=1)
    label = np.zeros((18, line.shape[1], 3), np.uint8)
    cv2.putText(label, f"{figure:.4g}", (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    return np.concatenate([label, line])


def _middle(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8:
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    top, left = (max(0, side - LARGEST) // 2 for side in picture.shape[:2])
    return picture[top : top + LARGEST, left : left + LARGEST]
