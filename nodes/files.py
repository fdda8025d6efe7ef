"""Where models lie in ComfyUI's folders, and what a person can choose there."""

from functools import lru_cache
from pathlib import Path

import folder_paths

from ..gpen.by_name import open_detector, open_parser
from ..gpen.errors import GPENError, SettingError
from ..gpen.faces.detectors import DETECTORS, Detector
from ..gpen.paste.parsers import Parser
from ..gpen.restorers.kind import RestorerKind
from ..gpen.restorers.kinds import KINDS, kind_of, terms_of
from ..gpen.restorers.through_onnx import NAMES
from ..gpen.weights.catalogue import RELEASES, RESTORER_SUFFIXES, SHORT_TERMS
from ..gpen.weights.locate import Folders, find, locate
from .bridge import best_dtype, check_choices, managed_place, progress

# Our own folder first: downloads go there. The others are where other face packs keep the same files.
FOLDER_NAMES = {
    "gpen": ("gpen", "facerestore_models"),
    "restorer": ("facerestore_models", "gpen"),
    "detector": ("facedetection",),
    "parser": ("facedetection",),
}

DETECTOR_CHOICES = ("auto", *DETECTORS)


def register_folders() -> None:
    """Add our folders to those ComfyUI knows, so that `extra_model_paths.yaml` and other packs share them."""
    for names in FOLDER_NAMES.values():
        for name in names:
            folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir) / name))
            _, endings = folder_paths.folder_names_and_paths[name]
            if not endings:  # all files would be listed: records of downloads, their locks, what is half there
                endings.update(RESTORER_SUFFIXES)


def folders() -> Folders:
    """Where the library looks for files of each kind."""
    return {
        kind: [Path(folder) for name in names for folder in folder_paths.get_folder_paths(name)]
        for kind, names in FOLDER_NAMES.items()
    }


def model_choices() -> tuple[str, ...]:
    """ "preview", then the restorers on disk, then those that can be fetched: as workflows keep them.

    A file is named as in ComfyUI's own lists, from its folder of models on: "GPEN-BFR-512.pth", "portraits/mine.pth".
    """
    on_disk = _on_disk()
    released = [release.file for release in RESTORERS if release.file not in on_disk]
    # A converted copy has another suffix: its release is on disk as well.
    missing = megabytes_to_fetch()
    return ("preview", *sorted(on_disk), *sorted(released, key=lambda file: file in missing))


RESTORERS = [release for release in RELEASES if release.kind in ("gpen", "restorer")]


def _on_disk() -> dict[str, Path]:
    """The restorers in ComfyUI's folders and the folders in them, by their names."""
    found: dict[str, Path] = {}
    for key in FOLDER_NAMES["gpen"]:
        for folder in folder_paths.get_folder_paths(key):
            # What ComfyUI's own lists are made of, which would show a new file half a second late. Links that lead
            # nowhere are among it, and pipes.
            names, _ = folder_paths.recursive_search(folder, excluded_dir_names=[".git"])
            for name in names:
                path = Path(folder, name)
                if path.suffix.lower() not in RESTORER_SUFFIXES or not path.is_file():
                    continue
                # Other packs keep other things in the shared folder; everything in our own folders is meant for us,
                # and is told what it is when it is chosen.
                if key == "gpen" or "gpen" in path.name.lower() or kind_on_disk(path) is not None:
                    found.setdefault(name, path)
    return found


def kind_on_disk(path: Path) -> RestorerKind | None:
    """The kind of restorer in a file, by what it holds; None where it is none."""
    if path.suffix.lower() == ".onnx":
        # What it holds only onnxruntime knows, which is not to be imported for a list.
        return KINDS["ONNX"] if any(part in path.name.lower() for part in NAMES) else None
    state = path.stat()
    return _kind_in(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _kind_in(path: Path, *_: int) -> RestorerKind | None:
    """It is asked at every look at the page; a file that changed is looked at again."""
    try:
        return kind_of(path)
    except (GPENError, OSError):
        return None


def told() -> dict[str, str]:
    """File → what it is and its terms in short, of all choices for which somebody knows."""
    kinds = {release.file: KINDS[release.architecture] for release in RESTORERS if release.architecture}
    kinds |= {name: kind for name, path in _on_disk().items() if (kind := kind_on_disk(path)) is not None}
    words: dict[str, str] = {}
    for name, kind in kinds.items():
        terms = terms_of(Path(name).name, kind)
        words[name] = f"{kind.name}; {SHORT_TERMS.get(terms, terms)}"
    return words


def megabytes_to_fetch() -> dict[str, int]:
    """File → about how large it is in MB, of the choices that are not on disk."""
    missing = (release for release in RESTORERS if find(release.file, folders()) is None)
    return {release.file: round((release.about_bytes or 0) / 1e6) for release in missing}


def model_path(file: str) -> Path | None:
    """The file behind a choice; None where it is still to be fetched, or is no choice at all."""
    return _on_disk().get(file) or (find(file, folders()) if file in model_choices() else None)


def fetched_model_path(file: str) -> Path:
    """The file behind a choice, fetched where it is not on disk.

    Raises `SettingError` for anything else: a workflow from a stranger must not read whatever it names.
    """
    check_file(file)
    return locate(_on_disk().get(file, file), folders(), on_progress=progress())


ELSEWHERE = ("upscale_models", "checkpoints", "facedetection", "diffusion_models", "vae")
"""Folders in which people look for a restorer's file when our list does not have it."""


def check_file(file: object) -> None:
    """Raise `SettingError` for a file that is none of the choices, and say what it is where it lies elsewhere."""
    choices = model_choices()
    if isinstance(file, str) and file not in choices and Path(file).name == file:
        for folder in ELSEWHERE:
            path = folder_paths.get_full_path(folder, file) if folder in folder_paths.folder_names_and_paths else None
            kind = kind_on_disk(Path(path)) if path else None
            if path and kind:
                raise SettingError(
                    f"{path} holds a {kind.name} network, but restorers are not looked for in {folder}: move it to "
                    f"{folders()['restorer'][0]}, or name that folder in extra_model_paths.yaml as facerestore_models"
                )
    check_choices(("model file", file, choices))


def open_managed_detector(name: str) -> Detector:
    """A detector by name, its file in ComfyUI's folders, running where ComfyUI says."""
    return open_detector(name, folders=folders(), on_progress=progress(), place=managed_place())


def open_managed_parser(mask: str) -> Parser | None:
    """The parser a mask needs, in half precision where the device does it; None where it needs none."""
    return open_parser(mask, folders=folders(), on_progress=progress(), place=managed_place(), dtype=best_dtype())
