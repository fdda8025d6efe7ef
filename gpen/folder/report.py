"""What became of each picture and each face of a run, as a file."""

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SettingError
from ..image.files import write_file
from ..version import __version__
from .plan import LeftOut
from .result import FAILED, Result

FORMATS = (".json", ".csv")
COLUMNS = ("source", "target", "kind", "why", "lost", "seconds")
FACE_COLUMNS = ("frame", "number", "left", "top", "right", "bottom", "score", "sharpness", "outcome", "why")


def check_report(path: Path) -> None:
    """Raise `SettingError` for a report that could not be written in the end."""
    if path.suffix.lower() not in FORMATS:
        raise SettingError(f"a report is a file that ends in {' or '.join(FORMATS)}, and it is {path}")


def write_report(
    path: Path,
    results: Sequence[Result],
    left_out: Sequence[LeftOut],
    settings: Mapping[str, Any],
    started: float,
) -> None:
    """Write what became of the pictures of a run as JSON, or as a table with a row a face.

    Args:
        settings: of the run, as the record knows them.
        started: when, in seconds since 1970.
    """
    text = _json(results, left_out, settings, started) if path.suffix.lower() == ".json" else _csv(results, left_out)
    write_file(path, text.encode("utf-8"))


def count(results: Sequence[Result]) -> dict[str, int]:
    """How many pictures became what, and how many faces."""
    faces = Counter(face["outcome"] for result in results for face in result.faces)
    return {**Counter(result.kind for result in results), "faces": faces.total(), "faces restored": faces["restored"]}


def _json(results: Sequence[Result], left_out: Sequence[LeftOut], settings: Mapping[str, Any], started: float) -> str:
    told = {
        "gpen": __version__,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "settings": dict(settings),
        "count": count(results) | {"left out": len(left_out)},
        "pictures": [
            {"source": str(result.job.source), "target": str(result.job.target), "why": result.why, **result.told}
            for result in results
        ],
        "left out": [{"path": str(one.path), "why": one.why} for one in left_out],
    }
    return json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"


def _csv(results: Sequence[Result], left_out: Sequence[LeftOut]) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow((*COLUMNS, *(f"face {name}" for name in FACE_COLUMNS)))
    for result in results:
        target = "" if result.kind == FAILED else result.job.target
        lost, seconds = "; ".join(result.lost), f"{result.seconds:.3f}"
        picture = (result.job.source, target, result.kind, result.why, lost, seconds)
        for face in result.faces or ({},):
            rows.writerow((*picture, *_cells(face)))
    for one in left_out:
        rows.writerow((one.path, "", "left out", one.why, "", ""))
    return text.getvalue()


def _cells(face: Mapping[str, Any]) -> list[Any]:
    sides = dict(zip(("left", "top", "right", "bottom"), face.get("box", ()), strict=False))
    return [{**face, **sides}.get(name, "") for name in FACE_COLUMNS]
