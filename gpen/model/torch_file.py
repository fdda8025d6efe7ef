"""The tensors of a file that `torch.save` wrote, read without running its pickle.

A pickle is a program: it can build things that take for ever to hash or to free, ask for any amount of memory and call
functions. So its instructions are only read, by a machine that knows those few that describe tensors in dictionaries,
and that stops at the first other one. The numbers are mapped from the file once everything that it says about itself
has been found to fit into it. The layout is that of `torch.serialization`: a zip file with one uncompressed entry for
each storage (since PyTorch 1.6), or pickles with the storages behind them.
"""

import io
import math
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import torch
from torch import Tensor

MOST_PICKLE = 4 << 20
"""Bytes of a pickle; that of a released network has 50 kB, that of a training with its optimisers some 300 kB."""
MOST_INSTRUCTIONS = 100_000
"""Of a pickle: one takes a few microseconds, and a tensor has 25."""
MOST_DIRECTORY = 1 << 20
"""Bytes of a zip file's list of entries; a released network's has 30 kB."""
MOST_DIMENSIONS = 8

_STORAGES = {
    f"torch {name}Storage": dtype
    for name, dtype in {
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Double": torch.float64,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}
_PLAIN = {"torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"}
_PARAMETER = {"torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"}
_KNOWN = {*_STORAGES, *_PLAIN, *_PARAMETER, "collections OrderedDict", "torch Size"}
_LEGACY_MAGIC, _LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001


class ForeignError(ValueError):
    """A file holds something that is no plain tensor in dictionaries and lists; the message says what."""


class Named(NamedTuple):
    """A class or function that a pickle names, and nobody calls."""

    name: str


class Storage(NamedTuple):
    """A row of numbers in the file that tensors are made of."""

    dtype: torch.dtype
    key: str
    first: int
    """How many numbers of it are skipped."""
    elements: int


@dataclass(frozen=True)
class Stored:
    """A tensor as it is described: which numbers of its storage it has. Offset and stride are in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """What its numbers take, if none were used twice."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


@dataclass(frozen=True)
class TorchFile:
    """What lies in a file, and where."""

    path: Path
    content: Any
    """With a `Stored` for each tensor."""
    places: Mapping[str, tuple[int, int]]
    """Storage → the byte it begins at, and how many bytes it has."""

    def map(self, tensors: Mapping[str, Stored]) -> dict[str, Tensor]:
        """Those tensors, mapped from the file: their numbers are read when they are used.

        Raises `ForeignError` where numbers are used many times, as in expanded tensors: they would be work without
        end for those who go through them.
        """
        size = self.path.stat().st_size
        for stored in tensors.values():
            _check(stored)
        needed = sum(stored.bytes for stored in tensors.values())
        if needed > size:
            raise ForeignError(f"tensors of {needed:,} bytes in {size:,}")
        if not needed:  # an empty file cannot be mapped
            return {name: torch.empty(stored.shape, dtype=stored.storage.dtype) for name, stored in tensors.items()}
        whole = torch.UntypedStorage.from_file(str(self.path), False, size)
        return {name: self._mapped(whole, stored) for name, stored in tensors.items()}

    def _mapped(self, whole: Any, stored: Stored) -> Tensor:
        dtype, key, first, elements = stored.storage
        start, length = self.places[key]
        if (first + elements) * dtype.itemsize > length:
            raise ValueError(f"a storage of {length:,} bytes should hold {elements:,} numbers")
        start += first * dtype.itemsize
        numbers = whole[start : start + elements * dtype.itemsize]
        if start % dtype.itemsize:  # old files do not align their storages
            numbers = numbers.clone()
        tensor = torch.empty(0, dtype=dtype)
        return tensor.set_(numbers, stored.offset, stored.shape, stored.stride)  # type: ignore[call-overload]


def _check(stored: Stored) -> None:
    numbers = (stored.offset, *stored.shape, *stored.stride)
    rank = len(stored.shape)
    if rank > MOST_DIMENSIONS or len(stored.stride) != rank or not all(0 <= number < 1 << 62 for number in numbers):
        raise ValueError("a tensor of an impossible shape")
    elements, has = math.prod(stored.shape), stored.storage.elements
    steps = zip(stored.shape, stored.stride, strict=True)
    if elements > has or (elements and stored.offset + sum((side - 1) * step for side, step in steps) >= has):
        raise ForeignError(f"a tensor of {elements:,} numbers in a storage of {has:,}")


def read(path: Path) -> TorchFile:
    """What lies in a file.

    Raises `ForeignError` for anything beside plain tensors in containers, `OSError`, and other errors for damage.
    """
    size = path.stat().st_size
    with _SmallReads(path.open("rb", buffering=0)) as file:
        zipped = file.peek(2)[:2] == b"PK"
        content, places = (_read_zip if zipped else _read_legacy)(file, size)
    return TorchFile(path, content, places)


class _SmallReads(io.BufferedReader):
    """A file that is never read in large pieces, whatever it says about itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MOST_DIRECTORY if size is None or size < 0 else size
        if most > MOST_PICKLE:
            raise ForeignError(f"{most:,} bytes where tensors are described")
        return super().read(most)


Places = dict[str, tuple[int, int]]


def _read_zip(file: _SmallReads, size: int) -> tuple[Any, Places]:
    with ZipFile(file) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise ForeignError("a TorchScript program, which would be run")
    places = {entry.filename: _place_of(entry, file, size) for entry in entries}
    (pickle,) = (name for name in names if name.endswith("data.pkl"))
    root = pickle.removesuffix("data.pkl")
    if f"{root}byteorder" in places and _content(file, places[f"{root}byteorder"]) != b"little":
        raise ForeignError("numbers of a big-endian computer")
    content = run(_content(file, places[pickle]))
    return content, {name.removeprefix(f"{root}data/"): place for name, place in places.items()}


def _place_of(entry: ZipInfo, file: _SmallReads, size: int) -> tuple[int, int]:
    if entry.compress_type != ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
        raise ForeignError("compressed or encrypted entries, which PyTorch does not write")
    file.seek(entry.header_offset)
    signature, name_length, extra_length = struct.unpack("<4s22xHH", file.read(30))
    start = entry.header_offset + 30 + name_length + extra_length
    if signature != b"PK\x03\x04" or start + entry.file_size > size:
        raise ValueError(f"no entry {entry.filename[:40]!r} where the list of entries says")
    return start, entry.file_size


def _content(file: _SmallReads, place: tuple[int, int]) -> bytes:
    file.seek(place[0])
    return file.read(place[1])


def _read_legacy(file: _SmallReads, size: int) -> tuple[Any, Places]:
    pickles = io.BytesIO(file.read(MOST_PICKLE))
    if (run(pickles), run(pickles)) != (_LEGACY_MAGIC, _LEGACY_VERSION):
        raise ForeignError("a pickle that PyTorch has not written")
    run(pickles)  # about the computer that wrote it
    machine = Machine()
    content, keys = machine.run(pickles), run(pickles)
    item_sizes = {storage.key: storage.dtype.itemsize for storage in machine.storages}
    places: Places = {}
    start = pickles.tell()
    for key in keys:
        file.seek(start)
        (elements,) = struct.unpack("<q", file.read(8))
        places[key] = start + 8, elements * item_sizes[key]
        start += 8 + elements * item_sizes[key]
        if elements < 0 or start > size:
            raise ValueError(f"it ends before all of its {len(keys)} storages")
    return content, places


def run(pickle: bytes | io.BytesIO) -> Any:
    """What a pickle of tensors in containers describes; see `Machine`."""
    return Machine().run(pickle)


_PUSHED = {
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "STRING"),
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINBYTES", "SHORT_BINBYTES"),
}
"""Instructions whose argument is the value."""
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME"}


class Machine:
    """The stack machine of Python's `pickle`, as far as `torch.save` needs it for tensors; nothing is called."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: list[Storage] = []
        """All that were named."""

    def run(self, pickle: bytes | io.BytesIO) -> Any:
        """What a pickle describes, with a `Stored` for each tensor.

        Raises `ForeignError` at the first thing of another kind, and other errors for what is no pickle.
        """
        for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if count > MOST_INSTRUCTIONS:
                raise ForeignError(f"more than {MOST_INSTRUCTIONS:,} instructions where tensors are described")
            self.step(opcode.name, argument)
        raise ValueError("a pickle without an end")

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PUSHED:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "TUPLE":
            stack.append(tuple(self.above_mark()))
        elif name not in _IGNORED:
            self.combine(name, argument)

    def combine(self, name: str, argument: Any) -> None:
        """What needs more than one value."""
        stack = self.stack
        if name in ("APPEND", "APPENDS"):
            values = [stack.pop()] if name == "APPEND" else self.above_mark()
            _as(list, stack[-1]).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = [stack.pop() for _ in range(2)][::-1] if name == "SETITEM" else self.above_mark()
            _fill(_as(dict, stack[-1]), values)
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            words = [_as(str, stack.pop()) for _ in range(2)]
            stack.append(_named(f"{words[1]} {words[0]}"))
        elif name == "BINPERSID":
            self.storages.append(_storage(stack.pop()))
            stack.append(self.storages[-1])
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_reduced(_as(Named, stack.pop()).name, _as(tuple, arguments)))
        elif name == "BUILD":
            stack.pop()  # the version numbers that modules keep beside their tensors
            _as(dict, stack[-1])
        else:
            raise ForeignError(f"the instruction {name}, which builds Python objects")

    def above_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ForeignError(f"a {type(value).__name__.strip('_')} where a {kind.__name__} belongs")
    return value


def _fill(target: dict[Any, Any], values: list[Any]) -> None:
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) not in (str, int):  # a tuple's hash may take for ever
            raise ForeignError(f"a {type(key).__name__} as a name")
        target[key] = value


def _named(name: str) -> Named:
    if name in _KNOWN or (name.startswith("torch ") and isinstance(getattr(torch, name[6:], None), torch.dtype)):
        return Named(name)
    if name.startswith("torch._utils _rebuild"):
        raise ForeignError(f"tensors that are not plain ones ({name[13:60]})")
    raise ForeignError(f"Python objects ({name[:60]!r})")


def _storage(told: Any) -> Storage:
    kind, named, key, _, elements, *view = _as(tuple, told)
    if kind != "storage" or _as(Named, named).name not in _STORAGES:
        raise ForeignError("storages of another kind")
    first = 0
    if view and view[0] is not None:
        _, first, elements = _as(tuple, view[0])
    if _as(int, elements) < 0 or _as(int, first) < 0:
        raise ValueError("a storage of an impossible size")
    return Storage(_STORAGES[named.name], _as(str, key), first, elements)


def _reduced(name: str, arguments: tuple[Any, ...]) -> Any:
    """What calling a known function would give."""
    if name in _PLAIN:
        storage, offset, shape, stride = arguments[:4]
        for number in (offset, *_as(tuple, shape), *_as(tuple, stride)):
            _as(int, number)
        return Stored(_as(Storage, storage), offset, shape, stride)
    if name in _PARAMETER or name == "torch Size":
        return arguments[0]
    if name == "collections OrderedDict":
        made: dict[Any, Any] = {}
        _fill(made, [value for pair in arguments[0] for value in pair] if arguments else [])
        return made
    raise ForeignError(f"a call of {name[:60]}")
