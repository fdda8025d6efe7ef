"""Directories of tags as TIFF and EXIF have them: read, changed and written without touching what they mean.

The layout is that of TIFF 6.0, section 2: a header (byte order, 42, where the first directory begins), and directories
of twelve bytes a tag: number, type, how many values, the values themselves or where they lie.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
SUB_DIRECTORIES = (EXIF, GPS, INTEROPERABILITY)
PIXELS_ACROSS, PIXELS_DOWN = 0xA002, 0xA003

SHORT, LONG, UNDEFINED = 3, 4, 7
BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


@dataclass(frozen=True)
class Entry:
    """One tag's values, in the byte order of the file they come from; of a directory of its own: that directory."""

    type: int
    raw: bytes
    below: "dict[int, Entry] | None" = None

    @property
    def count(self) -> int:
        return len(self.raw) // BYTES_OF_TYPE[self.type]


Directory = dict[int, Entry]


class Tags:
    """The directories in a file of tags (a whole TIFF, or the EXIF data of another file, which is a small one).

    Raises `ValueError` for bytes that are none.
    """

    def __init__(self, data: bytes):
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("no TIFF header")
        self.data = bytearray(data)
        self.order = "<" if data[:2] == b"II" else ">"

    def directories(self) -> Iterator[int]:
        """Where each directory of the chain begins."""
        at, seen = self._number("L", 4), set()
        while at and at not in seen and at + 2 <= len(self.data):
            seen.add(at)
            yield at
            at = self._number("L", self._end(at))

    def directory(self, at: int, depth: int = 3) -> Directory:
        """The directory at a place, with those below it; what does not lie in the data is left out."""
        found: Directory = {}
        for place in self._entries(at):
            tag, kind = self._number("H", place), self._number("H", place + 2)
            size = BYTES_OF_TYPE.get(kind, 0) * self._number("L", place + 4)
            start = place + 8 if size <= 4 else self._number("L", place + 8)
            if not size or start + size > len(self.data):
                continue
            below = None
            if tag in SUB_DIRECTORIES and depth:
                below = self.directory(self._number("L", place + 8), depth - 1)
            found[tag] = Entry(kind, bytes(self.data[start : start + size]), below)
        return found

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """The values of a tag of bytes, shorts or longs."""
        letter = {1: "B", SHORT: "H", LONG: "L", 7: "B"}[entry.type]
        return struct.unpack(f"{self.order}{entry.count}{letter}", entry.raw)

    def short(self, at: int, tag: int) -> int | None:
        """The first value of a tag of the directory at a place; None where it has no such number."""
        for place in self._entries(at):
            if self._number("H", place) == tag:
                letter = {SHORT: "H", LONG: "L"}.get(self._number("H", place + 2))
                if letter is None:
                    return None
                far = self._number("L", place + 4) * struct.calcsize(f"={letter}") > 4
                return self._number(letter, self._number("L", place + 8) if far else place + 8)
        return None

    def put(self, at: int, tag: int, value: int) -> None:
        """Change the number of a tag that is there, in its place, so that nothing else moves."""
        for place in self._entries(at):
            letter = {SHORT: "H", LONG: "L"}.get(self._number("H", place + 2))
            if self._number("H", place) == tag and letter:
                struct.pack_into(f"{self.order}{letter}", self.data, place + 8, value)

    def unlink_next(self, at: int) -> None:
        """Make a directory the last of its chain."""
        if self._end(at) + 4 <= len(self.data):
            struct.pack_into(f"{self.order}L", self.data, self._end(at), 0)

    def _entries(self, at: int) -> range:
        count = self._number("H", at)
        return range(at + 2, min(at + 2 + 12 * count, len(self.data) - 11), 12)

    def _end(self, at: int) -> int:
        return at + 2 + 12 * self._number("H", at)

    def _number(self, letter: str, at: int) -> int:
        size = struct.calcsize(f"={letter}")
        return struct.unpack_from(f"{self.order}{letter}", self.data, at)[0] if at + size <= len(self.data) else 0


def upright(exif: bytes, width: int | None = None, height: int | None = None) -> bytes:
    """EXIF data for the picture turned upright: orientation 1, its size in pixels where it is told, and no thumbnail,
    which shows the picture as it was. All else stays in its place, so that makers' notes, which hold such, stay right.
    """
    tags = Tags(exif)
    for first in list(tags.directories())[:1]:
        tags.put(first, ORIENTATION, 1)
        tags.unlink_next(first)
        if width and height and (below := tags.short(first, EXIF)):
            tags.put(below, PIXELS_ACROSS, width)
            tags.put(below, PIXELS_DOWN, height)
    return bytes(tags.data)


def orientation(exif: bytes) -> int:
    """How the picture must be turned, 1..8 as EXIF counts; 1, upright, where it does not say."""
    try:
        tags = Tags(exif)
    except ValueError:
        return 1
    found = next((tags.short(at, ORIENTATION) for at in tags.directories()), None) or 1
    return found if 1 <= found <= 8 else 1


def packed(directory: Directory, order: str, offset: int, after: int = 0) -> bytes:
    """A directory and what it points to, to lie at `offset` of a file; `after` is where the next one begins."""
    entries, values = b"", b""
    start = offset + 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        place, raw = start + len(values), entry.raw
        if entry.below is not None:
            raw = struct.pack(f"{order}L", place)
            values += packed(entry.below, order, place)
        elif len(raw) > 4:
            values += raw + b"\0" * (len(raw) % 2)
            raw = struct.pack(f"{order}L", place)
        entries += struct.pack(f"{order}HHL", tag, entry.type, entry.count) + raw.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(directory)) + entries + struct.pack(f"{order}L", after) + values


def header(order: str, first: int) -> bytes:
    """The beginning of a file of tags whose first directory lies at `first`."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", first)


def numbers(order: str, kind: int, *values: int) -> Entry:
    """An entry of shorts or longs."""
    return Entry(kind, struct.pack(f"{order}{len(values)}{'H' if kind == SHORT else 'L'}", *values))
