"""Where models lie in ComfyUI's folders, and what a person can choose there."""

from pathlib import Path

import folder_paths

from ..gpen.by_name import open_detector, open_parser
from ..gpen.faces.detectors import DETECTORS, Detector
from ..gpen.paste.parsers import Parser
from ..gpen.weights.catalogue import RELEASES, SUFFIXES
from ..gpen.weights.locate import Folders, find, locate
from .bridge import best_dtype, check_choices, managed_place, progress

# Our own folder first: downloads go there. The others are where other face packs keep the same files.
FOLDER_NAMES = {
    "gpen": ("gpen", "facerestore_models"),
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
                endings.update((*SUFFIXES, ".onnx"))


def folders() -> Folders:
    """Where the library looks for files of each kind."""
    return {
        kind: [Path(folder) for name in names for folder in folder_paths.get_folder_paths(name)]
        for kind, names in FOLDER_NAMES.items()
    }


def model_choices() -> tuple[str, ...]:
    """ "preview", then the GPEN files on disk, then those that can be fetched: as workflows keep them.

    A file is named as in ComfyUI's own lists, from its folder of models on: "GPEN-BFR-512.pth", "portraits/mine.pth".
    """
    on_disk = _on_disk()
    released = [release.file for release in RELEASES if release.kind == "gpen" and release.file not in on_disk]
    # A converted copy has another suffix: its release is on disk as well.
    missing = megabytes_to_fetch()
    return ("preview", *sorted(on_disk), *sorted(released, key=lambda file: file in missing))


def _on_disk() -> dict[str, Path]:
    """The GPEN files in ComfyUI's folders and the folders in them, by their names."""
    found: dict[str, Path] = {}
    for key in FOLDER_NAMES["gpen"]:
        for folder in folder_paths.get_folder_paths(key):
            # What ComfyUI's own lists are made of, which would show a new file half a second late. Links that lead
            # nowhere are among it, and pipes.
            names, _ = folder_paths.recursive_search(folder, excluded_dir_names=[".git"])
            for name in names:
                path = Path(folder, name)
                # Other packs' restorers lie in the shared folder; everything in our own folders is meant for us.
                ours = key == "gpen" or "gpen" in path.name.lower()
                if ours and path.suffix.lower() in SUFFIXES and path.is_file():
                    found.setdefault(name, path)
    return found


def megabytes_to_fetch() -> dict[str, int]:
    """File → about how large it is in MB, of the choices that are not on disk."""
    missing = (release for release in RELEASES if release.kind == "gpen" and find(release.file, folders()) is None)
    return {release.file: round((release.about_bytes or 0) / 1e6) for release in missing}


def model_path(file: str) -> Path | None:
    """The file behind a choice; None where it is still to be fetched, or is no choice at all."""
    return _on_disk().get(file) or (find(file, folders()) if file in model_choices() else None)


def fetched_model_path(file: str) -> Path:
    """The file behind a choice, fetched where it is not on disk.

    Raises `SettingError` for anything else: a workflow from a stranger must not read whatever it names.
    """
    check_choices(("model file", file, model_choices()))
    return locate(_on_disk().get(file, file), folders(), on_progress=progress())


def open_managed_detector(name: str) -> Detector:
    """A detector by name, its file in ComfyUI's folders, running where ComfyUI says."""
    return open_detector(name, folders=folders(), on_progress=progress(), place=managed_place())


def open_managed_parser(mask: str) -> Parser | None:
    """The parser a mask needs, in half precision where the device does it; None where it needs none."""
    return open_parser(mask, folders=folders(), on_progress=progress(), place=managed_place(), dtype=best_dtype())
