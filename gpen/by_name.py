"""From a name or a path to the thing: models, detectors and parsers."""

import logging
import os
from pathlib import Path
from typing import Any

import torch

from .errors import CheckpointError, DetectorError, DownloadError, SettingError, advice_on_out_of_memory
from .faces import detectors
from .faces.detect import find_faces
from .faces.detectors import DETECTORS, Detector, Place, on_cpu
from .faces.face import Faces
from .faces.settings import DetectSettings
from .image.given import GivenPicture
from .model.checkpoint import read_checkpoint
from .options import settled
from .paste.masks import MASKS
from .paste.parsers import PARSERS, Parser, read_parser
from .progress import Progress
from .prune.prune import prune, share_of
from .restorers.gpen import load_network
from .restorers.kind import RestorerKind, Wanted
from .restorers.kinds import KINDS, kind_of, what_else
from .restorers.protocol import Restorer, check_settings
from .restorers.settings import RestorerSettings
from .restorers.torch_model import TorchModel, usable
from .upscaler.network import EXPECTED, Upscaler, load_upscaler
from .weights.catalogue import task_of
from .weights.locate import Folders, default_folders, find, locate

log = logging.getLogger(__name__)


@advice_on_out_of_memory("to load the model", "choose precision fp16 or fp8, or a smaller model")
def load_model(
    file: str | os.PathLike[str],
    *,
    precision: str = "auto",
    memory: str = "auto",
    pruning: str | float = "none",
    device: str | torch.device | None = None,
    folders: Folders | None = None,
    download: bool = True,
    on_progress: Progress | None = None,
    **options: Any,
) -> Restorer:
    """Load a restorer of faces: a GPEN network, or one of the others in `gpen.restorers`.

    Args:
        file: a path, a file in one of the folders, a name in the catalogue ("GPEN-BFR-512"), or "preview".
        precision: "auto", "fp32", "fp16", "bf16" or "fp8" (weights in 8 bits, computed in what "auto" takes); see
            `choose_precision`.
        memory: "auto", "normal" or "low": "low" takes a fraction of the memory for the same result, a little slower.
        pruning: "none"; "exact" drops channels that cannot change the picture; a share ("25%" or 0.25) also those that
            change it least, which takes about as long as to restore ten faces on the CPU.
        device: where it runs; by default the first GPU, or the CPU where there is none.
        folders: where files are looked for and downloads go; by default `$GPEN_MODELS` or a folder in the user's cache.
        download: whether to fetch a released file that is not on disk.
        on_progress: called with (bytes done, bytes in all or None) during a download, and with (steps done, steps in
            all) while a share of pruning is chosen.
        **options: what only some restorers know, as in `load_model("codeformer.pth", fidelity=0.7)`; see
            `RestorerSettings`.

    Precision fp8, memory low and pruning are for GPEN networks alone.
    Raises `DownloadError`, `CheckpointError` or `SettingError`, each saying what to do.
    """
    share_of(pruning)  # a wrong one is said before anything is fetched
    settings = settled(RestorerSettings, None, options)
    path = locate(file, folders, download=download, on_progress=on_progress)
    kind = restorer_kind(path)
    if kind.open is not None:
        model = open_restorer(path, kind, Wanted(precision, memory, usable(device), None, settings), pruning)
        if isinstance(model, TorchModel):
            model.network.to(device)
        return model
    check_settings(f"{path.stem} is a GPEN network, which", settings, kind.options)
    checkpoint = read_checkpoint(path)
    task = task_of(path, checkpoint.metadata)
    checkpoint = prune(checkpoint, pruning, task, on_progress)
    return load_network(checkpoint, path.stem, task, precision, memory, device)


def restorer_kind(path: Path) -> RestorerKind:
    """The kind of restorer in a file. Raises `CheckpointError` where it is none, and says what it is."""
    kind = kind_of(path)
    if kind is not None:
        return kind
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        what = what_else(path)
        raise CheckpointError(f"{error}\nIt holds {what}, and no restorer of faces." if what else str(error)) from None
    return KINDS["GPEN"]


def open_restorer(path: Path, kind: RestorerKind, wanted: Wanted, pruning: str | float = "none") -> Restorer:
    """Open a restorer that is no GPEN network; its weights are on the CPU.

    Raises `SettingError` for what only GPEN networks can do, and `CheckpointError`.
    """
    if kind.open is None:
        raise SettingError(f"{path} is a GPEN network, which is opened in another way")
    if share_of(pruning) is not None:
        raise SettingError(f"{path.stem} is a {kind.name} network, and only GPEN networks can be pruned; choose none")
    return kind.open(kind, path, wanted)


def detect_faces(
    picture: GivenPicture,
    detector: str | Detector = "auto",
    settings: DetectSettings | None = None,
    *,
    boxes: object = None,
    folders: Folders | None = None,
    on_progress: Progress | None = None,
    **changes: Any,
) -> Faces:
    """Find the faces in each picture of a batch (B, H, W, C) in 0..1; see `open_detector` and `find_faces`."""
    if isinstance(detector, str):
        detector = open_detector(detector, folders=folders)
    return find_faces(picture, detector, settings, boxes=boxes, on_progress=on_progress, **changes)


def open_detector(
    name: str = "auto",
    *,
    folders: Folders | None = None,
    download: bool = True,
    on_progress: Progress | None = None,
    place: Place = on_cpu,
) -> Detector:
    """Open a detector by name.

    "auto" takes the best one that is on disk and works here, and never downloads; the last of them comes with its
    package. Any other name of `DETECTORS` is fetched where its file is not on disk.

    Raises `SettingError` for an unknown name, `DownloadError` and `DetectorError` where it cannot be had.
    """
    if name not in ("auto", *DETECTORS):
        raise SettingError.unknown("detector", name, ("auto", *DETECTORS))
    if name != "auto":
        file = DETECTORS[name].file
        weights = file and locate(file, folders, download=download, on_progress=on_progress)
        return detectors.open_detector(name, weights or None, place)
    return _best_detector(folders, place)


def _best_detector(folders: Folders | None, place: Place) -> Detector:
    """The first one that is on disk and works."""
    problem: DetectorError | None = None
    for kind in DETECTORS.values():
        weights = kind.file and find(kind.file, folders)
        if weights or not kind.file:
            try:
                return detectors.open_detector(kind.name, weights or None, place)
            except DetectorError as error:
                log.warning("detector %s is passed over: %s", kind.name, error)
                problem = error
    raise problem or DetectorError("there is no detector on disk")


def open_parser(
    mask: str,
    *,
    folders: Folders | None = None,
    download: bool = True,
    on_progress: Progress | None = None,
    place: Place = on_cpu,
    dtype: torch.dtype = torch.float32,
) -> Parser | None:
    """Open the parser that one of `MASKS` needs, fetched where it is not on disk; None where it needs none.

    Raises `SettingError` for an unknown mask, `DownloadError` and `CheckpointError` where it cannot be had.
    """
    if mask not in MASKS:
        raise SettingError.unknown("mask", mask, MASKS)
    name = MASKS[mask].parser
    if name is None:
        return None
    weights = locate(PARSERS[name].file, folders, download=download, on_progress=on_progress)
    return read_parser(name, weights, place, dtype)


@advice_on_out_of_memory("to load the upscaler", "choose precision fp16, or a smaller upscaler")
def open_upscaler(
    file: str | os.PathLike[str],
    *,
    precision: str = "auto",
    device: str | torch.device | None = None,
    folders: Folders | None = None,
) -> Upscaler:
    """Open an upscaler, as `upscale` takes it and `restore` for the rest of the picture.

    Args:
        file: a path, or a file in one of the folders, of any upscaler that spandrel can load: ESRGAN, Real-ESRGAN,
            SwinIR, HAT, DAT, … Upscalers are not fetched.
        precision: "auto" (fp16 on a GPU where the network can, else fp32), "fp32", "fp16" or "bf16".
        device: where it runs; by default the first GPU, or the CPU where there is none.
        folders: where files are looked for; see `load_model`.

    Raises `DownloadError` where there is no such file, `CheckpointError` where it holds no upscaler or spandrel is not
    installed, and `SettingError` for a precision or a device that cannot be.
    """
    path = find(file, folders)
    if path is None:
        looked = ", ".join(str(folder) for folder in (folders or default_folders()).get("gpen", ()))
        raise DownloadError(
            f"there is no upscaler {os.fspath(file)!r} (looked in: {looked or 'no folder'}), and none is fetched. Give "
            "the path of a file that spandrel can load, such as RealESRGAN_x2plus.pth"
        )
    kind = kind_of(path)
    if kind is not None:
        raise CheckpointError(
            f"{path} is no upscaler: it holds a {kind.name} network, which restores faces; give it as the model. "
            f"{EXPECTED}"
            if not kind.suffix
            else f"{path} is an {kind.suffix} file. {EXPECTED}"
        )
    device = usable(device)
    upscaler = load_upscaler(path, Wanted(precision, device=device))
    upscaler.network.to(device)
    return upscaler
