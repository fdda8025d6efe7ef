"""From what a user chose (a name, a file name, a path) to a file on disk."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DownloadError
from ..progress import Progress
from .catalogue import PREVIEW, RELEASES, released
from .download import fetch, get_it_yourself
from .record import verify

Folders = Mapping[str, Sequence[Path]]
"""`catalogue.Kind` → where files of that kind are looked for; what is fetched goes to the first of these folders."""


def default_folders() -> Folders:
    """`$GPEN_MODELS` for all kinds, else a folder in the user's cache (as other libraries of the field do)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GPEN_MODELS") or cache / "gpen").expanduser()
    return {kind: [folder] for kind in ("gpen", "restorer", "detector", "parser")}


def find(name: str | os.PathLike[str], folders: Folders | None = None) -> Path | None:
    """The file on disk that a name stands for, or None.

    Args:
        name: "preview", a path, a file in one of the folders, or a name in the catalogue. A released file is also found
            under another ending, as after `convert`. Whoever takes names from strangers must refuse paths first.
        folders: where to look; by default `default_folders()`.
    """
    text = os.fspath(name)
    if text == "preview":
        return PREVIEW if PREVIEW.is_file() else None
    path = Path(text)
    if path.is_file():
        return path
    if path.anchor or ".." in path.parts:
        return None
    release = released(text)
    files = (text, *release.files) if release else (text,)
    places = (folders or default_folders()).get(release.kind if release else "gpen", ())
    return next((folder / file for file in files for folder in places if (folder / file).is_file()), None)


def locate(
    name: str | os.PathLike[str],
    folders: Folders | None = None,
    *,
    download: bool = True,
    on_progress: Progress | None = None,
) -> Path:
    """The file that a name stands for (see `find`), checked against its record, and fetched where it is not on disk.

    Raises `DownloadError` where there is no such file and none could be fetched, or it is not the file it was.
    """
    folders = folders or default_folders()
    text = os.fspath(name)
    found = find(text, folders)
    if found:
        verify(found, released(found.name))
        return found
    if text == "preview":
        raise DownloadError(
            f"the preview model should be inside the package, but {PREVIEW} is missing. Install the package again, "
            "or choose an official model."
        )
    release = released(text)  # only for a bare name: a path that does not exist is a mistake, not a wish
    if release is None:
        looked = ", ".join(str(folder) for folder in folders.get("gpen", ()))
        names = ", ".join(one.name for one in RELEASES if one.kind in ("gpen", "restorer"))
        raise DownloadError(
            f"there is no model file {text!r} (looked in: {looked or 'no folder'}), nor a released model of that name. "
            f"Give the path of a file, preview, or one of: {names}"
        )
    places = folders.get(release.kind, ())
    if not places:
        raise DownloadError(f"{release.name} is not on disk, and no folder for {release.kind} files was given.")
    if not download:
        raise DownloadError(f"{release.name} is not on disk. {get_it_yourself(release, places[0])}")
    return fetch(release, places[0], on_progress)
