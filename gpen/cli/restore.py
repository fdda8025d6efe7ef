"""`gpen restore`: the faces of pictures and films, and of folders of them.

Here are its arguments alone: whoever asks for help, or has a shell complete them, does not wait for PyTorch.
"""

import argparse
from importlib import import_module
from pathlib import Path

from ..faces.detectors import DETECTORS
from ..faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..model.choices import MEMORY, PRECISIONS
from ..options import Settings
from ..paste.settings import PasteSettings
from ..restore.settings import RestoreSettings
from ..restorers.settings import RestorerSettings
from ..upscaler.settings import UpscaleSettings
from .arguments import add_options, add_settings

SETTINGS: dict[type[Settings], str] = {
    DetectSettings: "finding faces",
    SelectSettings: "choosing among them",
    RestoreSettings: "restoring them",
    PasteSettings: "putting them back",
    TrackSettings: "with --clip, and for films",
}
"""The settings of each step, and what their arguments are headed by."""


def add(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    command.set_defaults(run=run)
    command.add_argument(
        "inputs", metavar="IN", nargs="+", help="pictures, films and folders of them; - reads a list, one on each line"
    )
    command.add_argument("--output", "-o", metavar="OUT", required=True, help="a folder; or a file for one IN")
    command.add_argument(
        "--aligned", action="store_true", help="each picture is one upright face: take it whole, look for no faces"
    )
    command.add_argument(
        "--inpaint-mask", metavar="FILE", type=Path, help="for an inpainting model: a picture, white where it fills in"
    )
    _add_files(command)
    _add_films(command)
    _add_cluster(command)
    command.add_argument("--offline", action="store_true", help="never download")
    command.add_argument("--verbose", "-v", action="store_true", help="say what became of each face")
    model = command.add_argument_group("the model")
    model.add_argument("--model", default="preview", help="name, file or path (default: the small preview model)")
    model.add_argument("--precision", choices=PRECISIONS, default="auto")
    model.add_argument("--memory", choices=MEMORY, default="auto", help="low: less memory, a bit slower")
    model.add_argument("--pruning", default="none", help="none, exact, or the share of channels to drop: 25%% or 0.25")
    model.add_argument("--device", help="cpu, cuda, cuda:1, mps … (default: the first GPU, else the CPU)")
    add_settings(command, "the model, where it is no GPEN network", RestorerSettings)
    command.add_argument("--detector", choices=["auto", *DETECTORS], default=argparse.SUPPRESS)
    command.add_argument(
        "--clip", action="store_true", help="the pictures, in the order of their names, are the frames of one clip"
    )
    for kind, title in SETTINGS.items():
        add_settings(command, title, kind)
    _add_background(command)


def _add_cluster(command: argparse.ArgumentParser) -> None:
    cluster = command.add_argument_group("many machines")
    cluster.add_argument(
        "--cluster",
        metavar="ADDRESS",
        default="",
        help="with Ray: local starts it here, auto joins the one that is here",
    )
    cluster.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes (default: what there is room for)"
    )
    cluster.add_argument("--worker-cpus", type=float, default=1, metavar="N", help="processors of each (default: 1)")
    cluster.add_argument(
        "--worker-gpus", type=float, metavar="SHARE", help="of a card, for each (default: what the model needs)"
    )


def _add_files(command: argparse.ArgumentParser) -> None:
    files = command.add_argument_group("files and folders")
    files.add_argument("--format", default="", metavar="SUFFIX", help="of the results: png, jpg … (default: as it was)")
    files.add_argument("--quality", type=int, metavar="1..100", help="of JPEG, WebP, AVIF … (default: as it was)")
    files.add_argument(
        "--suffix", default="", metavar="TEXT", help="what the names of results end with, like _restored"
    )
    again = files.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="skip what is done and whole, with the same settings (the default)"
    )
    again.add_argument("--overwrite", action="store_true", help="do all pictures again")
    files.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    files.add_argument("--report", type=Path, metavar="FILE", help="write what became of each face to a .json or .csv")
    files.add_argument("--compare", action="store_true", help="write before and after side by side as well")
    files.add_argument(
        "--save-crops", action="store_true", help="write the crop of each face, before and after, as well"
    )


def _add_films(command: argparse.ArgumentParser) -> None:
    """Add the arguments that only films have."""
    group = command.add_argument_group("films")
    group.add_argument("--codec", help="FFmpeg's name of an encoder (default: libx264, libx265 for more than 8 bits)")
    group.add_argument("--crf", type=int, help="the encoder's scale of quality, less being better (default: its own)")


def _add_background(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say what becomes of the rest of the picture."""
    group = command.add_argument_group("the rest of the picture")
    group.add_argument(
        "--background",
        metavar="MODEL",
        default="",
        help="enlarge pictures by an upscaler that spandrel can load (a path, or a file in the models' folder) and put "
        "the restored faces into that; without it they keep their size and their pixels",
    )
    group.add_argument(
        "--background-precision",
        choices=[name for name in PRECISIONS if name != "fp8"],
        default="auto",
        help="what the upscaler computes in (default: auto)",
    )
    add_options(group, UpscaleSettings)


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    return import_module(".restoring", __package__).run(said)
