"""The catalogue of released model files: what each is for, where it lies, and how to know it again.

Hashes are listed only where the file has been at hand to check; every other file is recorded when it is fetched
(`record.py`). The released files `GPEN-BFR-256-D` and `GPEN-BFR-512-D` are left out: they are discriminators, which
only training uses, as their author says in the official repository.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..model.config import GPENConfig
from ..model.tasks import TASKS

Architecture = Literal["GPEN", "GFPGAN", "RestoreFormer", "CodeFormer", ""]
"""What a restorer is; empty for other files."""

Purpose = Literal["restoration", "colorization", "inpainting", "segmentation", "detector", "parser"]
"""What a file is for: a task of a network, or something else."""

Kind = Literal["gpen", "restorer", "detector", "parser"]
"""Files of one kind lie in the same folders."""

SUFFIXES = (".pth", ".pt", ".safetensors")
"""What GPEN networks end in on disk."""

WEIGHT_SUFFIXES = (*SUFFIXES, ".ckpt")
"""What other restorers end in as well."""
RESTORER_SUFFIXES = (*WEIGHT_SUFFIXES, ".onnx")

GPEN_TERMS = "no licence file; its authors write: for academic and non-commercial use only"
APACHE_TERMS = "Apache License 2.0; commercial use is allowed"
S_LAB_TERMS = "S-Lab License 1.0: non-commercial use only"
SHORT_TERMS = {
    GPEN_TERMS: "academic, non-commercial",
    APACHE_TERMS: "Apache-2.0",
    S_LAB_TERMS: "S-Lab, non-commercial",
}
"""What terms come to where there is little room."""
FACEXLIB_TERMS = "from the releases of facexlib, whose licence is MIT"

_YUNET = "face_detection_yunet_2023mar.onnx"
_OFFICIAL = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models/"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download/"
# "damo", the name official code knows it by, was renamed to "iic".
_MODELSCOPE = tuple(
    f"https://www.modelscope.cn/models/{owner}/cv_gpen_image-portrait-enhancement-hires/resolve/master/"
    for owner in ("iic", "damo")
)
# Copies that other projects fetch from: the Hugging Face space of GPEN's README, and the release of VideoReTalking.
_SPACE = "https://huggingface.co/akhaliq/"
_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download/"
_RETALKING = "https://github.com/vinthony/video-retalking/releases/download/v0.0.1/"


@dataclass(frozen=True)
class Release:
    """One released file."""

    name: str
    """What users call it and choose it by."""
    file: str
    """What it is called on disk, which is not always what it is called where it lies."""
    task: Purpose
    terms: str
    """The terms of use, as far as they are known."""
    urls: tuple[str, ...]
    """Where it lies, the official place first; all hold the same file."""
    size: int | None = None
    """Side of the picture a network gives back, in pixels."""
    bytes: int | None = None
    sha256: str | None = None
    architecture: Architecture = ""
    megabytes: int | None = None
    """About how large it is, where neither bytes nor configuration say so: what its tensors take in float32."""

    @property
    def kind(self) -> Kind:
        """Which folders it belongs in."""
        if self.task in ("detector", "parser"):
            return self.task
        return "gpen" if self.architecture == "GPEN" else "restorer"

    @property
    def files(self) -> tuple[str, ...]:
        """The names it may have on disk: people keep GPEN networks as `.pt`, and `convert` makes `.safetensors`."""
        if self.kind == "restorer":
            names = (self.file, f"{self.name}.pth", Path(self.file).with_suffix(".safetensors").name)
            return tuple({name.lower(): name for name in reversed(names)}.values())[::-1]
        if self.kind != "gpen":
            return (self.file,)
        return tuple(Path(self.file).with_suffix(suffix).name for suffix in SUFFIXES)

    @property
    def config(self) -> GPENConfig | None:
        """The configuration of a released GPEN network."""
        if self.size is None or self.kind != "gpen":
            return None
        return GPENConfig.released(256, 1, 0.5) if self.size == 256 else GPENConfig.released(self.size)

    @property
    def about_bytes(self) -> int | None:
        """How large the file is: of a GPEN network, what its tensors take in float32, which the whole file little
        exceeds. None where nobody knows."""
        if self.megabytes is not None:
            return self.megabytes * 10**6
        if self.bytes is not None or self.config is None:
            return self.bytes
        return 4 * sum(math.prod(shape) for shape in self.config.official_shapes().values())


def _gpen(name: str, task: Purpose, size: int, *urls: str) -> Release:
    urls = urls or (f"{_OFFICIAL}{name}.pth",)
    return Release(name, f"{name}.pth", task, GPEN_TERMS, urls, size, architecture="GPEN")


def _other(name: str, architecture: Architecture, terms: str, url: str, megabytes: int) -> Release:
    file = url.rpartition("/")[2]
    return Release(name, file, "restoration", terms, (url,), 512, architecture=architecture, megabytes=megabytes)


RELEASES: tuple[Release, ...] = (
    _gpen("GPEN-BFR-256", "restoration", 256),
    _gpen(
        "GPEN-BFR-512",
        "restoration",
        512,
        f"{_OFFICIAL}GPEN-BFR-512.pth",
        f"{_SPACE}GPEN-BFR-512/resolve/main/GPEN-BFR-512.pth",
        f"{_RETALKING}GPEN-BFR-512.pth",
    ),
    _gpen("GPEN-BFR-1024", "restoration", 1024, *(f"{place}pytorch_model.pt" for place in _MODELSCOPE)),
    _gpen("GPEN-BFR-2048", "restoration", 2048, *(f"{place}pytorch_model-2048.pt" for place in _MODELSCOPE)),
    _gpen("GPEN-Colorization-1024", "colorization", 1024),
    _gpen("GPEN-Inpainting-1024", "inpainting", 1024),
    _gpen("GPEN-Seg2face-512", "segmentation", 512),
    _other("GFPGANv1.4", "GFPGAN", APACHE_TERMS, f"{_GFPGAN}v1.3.0/GFPGANv1.4.pth", 349),
    _other("GFPGANv1.3", "GFPGAN", APACHE_TERMS, f"{_GFPGAN}v1.3.0/GFPGANv1.3.pth", 349),
    _other("GFPGANv1.2", "GFPGAN", APACHE_TERMS, f"{_GFPGAN}v0.2.0/GFPGANCleanv1-NoCE-C2.pth", 349),
    _other("RestoreFormer", "RestoreFormer", APACHE_TERMS, f"{_GFPGAN}v1.3.4/RestoreFormer.pth", 291),
    _other(
        "CodeFormer",
        "CodeFormer",
        S_LAB_TERMS,
        "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
        376,
    ),
    Release(
        "face_detection_yunet_2023mar",
        _YUNET,
        "detector",
        "MIT licence (OpenCV Zoo)",
        (
            # The repository keeps it in Git LFS: its plain "raw" address gives a pointer instead of the file.
            f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{_YUNET}",
            f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{_YUNET}",
        ),
        bytes=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    Release(
        "detection_Resnet50_Final",
        "detection_Resnet50_Final.pth",
        "detector",
        FACEXLIB_TERMS,
        (f"{_FACEXLIB}v0.1.0/detection_Resnet50_Final.pth",),
    ),
    Release(
        "detection_mobilenet0.25_Final",
        "detection_mobilenet0.25_Final.pth",
        "detector",
        FACEXLIB_TERMS,
        (f"{_FACEXLIB}v0.1.0/detection_mobilenet0.25_Final.pth",),
        bytes=1_833_129,
        sha256="7c417d4a43c5e2100ef40c2fbd2177d2fd0e5090d8e87c0fa31806cfb895c12f",
    ),
    Release(
        "parsing_parsenet",
        "parsing_parsenet.pth",
        "parser",
        FACEXLIB_TERMS,
        (f"{_FACEXLIB}v0.2.2/parsing_parsenet.pth",),
    ),
    Release(
        "parsing_bisenet",
        "parsing_bisenet.pth",
        "parser",
        FACEXLIB_TERMS,
        (f"{_FACEXLIB}v0.2.0/parsing_bisenet.pth",),
    ),
)
"""Every released file that can be fetched."""

PREVIEW = Path(__file__).with_name("gpen-preview-256.safetensors")
"""The small network inside the package, chosen as "preview"; it never stands in for an official one."""


def released(name: str) -> Release | None:
    """The release of that name or file name, in either case, or None."""
    wanted = name.lower()
    for release in RELEASES:
        if wanted in {known.lower() for known in (release.name, *release.files)}:
            return release
    return None


def task_of(path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> str:
    """What a GPEN file is for: by its metadata, else by the file name it was released under, else restoration.

    Shapes cannot tell: the networks for different tasks are built alike.
    """
    told = (metadata or {}).get("task", "")
    if told in TASKS:
        return told
    release = released(Path(path).name)
    return release.task if release else "restoration"
