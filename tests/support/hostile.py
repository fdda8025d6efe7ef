"""Files that pretend to be checkpoints: each says something about itself that would be work without end, or a program.

They are written byte by byte, because the libraries that write checkpoints refuse to write such ones.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator

import torch

from gpen.model.config import GPENConfig

TINY = GPENConfig.released(32, narrow=1 / 64, style_dim=16, mapping_layers=2)
PROTO, STOP = b"\x80\x02", b"."


def word(text: str) -> bytes:
    """A string in a pickle."""
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """An integer of any size in a pickle."""
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw if len(raw) < 256 else b"\x8b" + struct.pack("<i", len(raw)) + raw


def described(
    shape: bytes = b"(K\x04t",
    stride: bytes = b"(K\x01t",
    elements: bytes = b"K\x04",
    offset: bytes = b"K\x00",
    storage: str = "FloatStorage",
    key: str = "0",
    call: str = "torch._utils _rebuild_tensor_v2",
    view: bytes = b"",
) -> bytes:
    """A tensor in a pickle: four numbers of the storage "0", where nothing else is said."""
    module, name = call.split(" ")
    head = f"c{module}\n{name}\n(".encode() + b"(" + word("storage") + f"ctorch\n{storage}\n".encode()
    place = word(key) + word("cpu") + elements + view + b"tQ"
    return head + place + offset + shape + stride + b"\x89}tR"


def named(*pairs: tuple[str, bytes]) -> bytes:
    """A pickle of a dictionary."""
    return PROTO + b"}(" + b"".join(word(name) + value for name, value in pairs) + b"u" + STOP


def zipped(pickle: bytes, storage: bytes = bytes(64), how: int = zipfile.ZIP_STORED, **more: bytes) -> bytes:
    """A file as `torch.save` writes it, with that pickle and that storage "0"."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", storage)
        for name, content in more.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", content)
    return buffer.getvalue()


LEGACY_HEAD = (
    PROTO + number(0x1950A86A20F9469CFC6C) + STOP + PROTO + b"M" + struct.pack("<H", 1001) + STOP + PROTO + b"}" + STOP
)


def legacy(pickle: bytes, elements: int = 4, keys: bytes | None = None, body: bytes = bytes(64)) -> bytes:
    """A file as `torch.save` wrote it before PyTorch 1.6."""
    keys = keys or PROTO + b"](" + word("0") + b"e" + STOP
    return LEGACY_HEAD + pickle + keys + struct.pack("<q", elements) + body


def safetensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    """A `.safetensors` file with that header; a string is taken as it is."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _network(config: GPENConfig = TINY) -> dict[str, tuple[int, ...]]:
    return dict(config.official_shapes())


def _tuple(numbers: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(number(n) for n in numbers) + b"t"


def _expanded(config: GPENConfig) -> bytes:
    """A whole network whose tensors repeat one number."""
    return named(
        *(
            (name, described(_tuple(shape), _tuple((0,) * len(shape)), b"K\x01"))
            for name, shape in config.official_shapes().items()
        )
    )


def _overlapping(config: GPENConfig) -> bytes:
    """A whole network whose tensors all lie in one storage."""
    pairs = []
    for name, shape in config.official_shapes().items():
        stride = [1]
        for side in shape[:0:-1]:
            stride.insert(0, stride[0] * side)
        pairs.append((name, described(_tuple(shape), _tuple(tuple(stride)), number(1 << 20))))
    return named(*pairs)


def _in_safetensors(config: GPENConfig, extra: tuple[str, ...] = ()) -> bytes:
    header, end = {}, 0
    for name, shape in [*config.official_shapes().items(), *((name, (1,)) for name in extra)]:
        size = 4 * int(torch.Size(shape).numel())
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return safetensors(header, bytes(end))


def _endless_network() -> GPENConfig:
    """Of 2^51 pixels, and one channel each: a small file."""
    return GPENConfig(1, 1, (1,) * 12, 1, (1,) * 99)


PAYLOADS: dict[str, bytes] = {
    "expanded": named(("a", described(_tuple((1 << 20, 1 << 20)), _tuple((0, 0)), b"K\x01"))),
    "expanded-in-places": named(("a", described(_tuple((1 << 12, 4)), _tuple((0, 1))))),
    "huge-shape": named(("a", described(_tuple((1 << 62,))))),
    "shape-beyond-64-bits": named(("a", described(_tuple((10**400,))))),
    "negative-shape": named(("a", described(_tuple((-4,))))),
    "many-dimensions": named(("a", described(_tuple((1,) * 5000), _tuple((1,) * 5000)))),
    "negative-stride": named(("a", described(stride=_tuple((-1,))))),
    "huge-stride": named(("a", described(stride=_tuple((1 << 62,))))),
    "ranks-differ": named(("a", described(stride=_tuple((1, 1))))),
    "negative-offset": named(("a", described(offset=number(-8)))),
    "huge-offset": named(("a", described(offset=number(1 << 62)))),
    "huge-storage": named(("a", described(elements=number(1 << 60)))),
    "negative-storage": named(("a", described(elements=number(-1)))),
    "float-storage-size": named(("a", described(elements=b"G" + struct.pack(">d", 1e300)))),
    "shape-of-words": named(("a", described(shape=b"(" + word("4") + b"t"))),
    "shape-of-floats": named(("a", described(shape=b"(G" + struct.pack(">d", float("inf")) + b"t"))),
    "missing-storage": named(("a", described(key="7"))),
    "storage-elsewhere": named(("a", described(key="../../../etc/passwd"))),
    "view-outside": named(("a", described(view=b"(" + word("v") + number(1 << 40) + number(4) + b"t"))),
    "sparse": named(("a", described(call="torch._utils _rebuild_sparse_tensor"))),
    "meta": named(("a", described(call="torch._utils _rebuild_meta_tensor_no_storage"))),
    "nested": named(("a", described(call="torch._utils _rebuild_nested_tensor"))),
    "quantized": named(("a", described(call="torch._utils _rebuild_qtensor"))),
    "subclass": named(("a", described(call="torch._tensor _rebuild_from_type_v2"))),
    "complex": named(("a", described(storage="ComplexFloatStorage"))),
    "untyped": named(("a", described(storage="UntypedStorage"))),
    "lists-in-lists": PROTO + b"]" * 200_000 + b"a" * 199_999 + STOP,
    "lists-in-lists-6-MB": PROTO + b"]" * 3_000_000 + b"a" * 2_999_999 + STOP,
    "tuples-in-tuples": PROTO + b")" + b"\x85" * 250_000 + STOP,
    "dictionaries-in-dictionaries": PROTO + (b"}" + word("a")) * 40_000 + b"N" + b"s" * 40_000 + STOP,
    "name-that-is-hashed-for-ever": PROTO + b"}K\x01\x85" + b"q\x00h\x00\x86" * 60 + b"Ns" + STOP,
    "name-of-a-tensor": PROTO + b"}" + described() + b"Ns" + STOP,
    "remembers-at-2-to-the-31": PROTO + b"}r" + struct.pack("<I", 0x7FFFFFFF) + STOP,
    "remembers-nothing": PROTO + b"h\x05" + STOP,
    "asks-for-a-terabyte": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x" + STOP,
    "asks-for-bytes": b"\x80\x05\x8e" + struct.pack("<Q", 1 << 40) + b"x" + STOP,
    "frame-without-end": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"}" + STOP,
    "number-of-a-megabyte": PROTO + b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + STOP,
    "number-of-5000-digits": PROTO + b"I" + b"9" * 5000 + b"\n" + STOP,
    "long-number-of-5000-digits": PROTO + b"L" + b"9" * 5000 + b"L\n" + STOP,
    "doubles-itself": PROTO + b"](K\x01e" + b"2\x86" * 100_000 + STOP,
    "empty": PROTO + STOP,
    "stops-in-the-middle": named(("a", described()))[:-20],
    "marks-without-end": PROTO + b"(" * 200_000 + STOP,
    "calls-system": PROTO + b"cos\nsystem\n(" + word("touch MARK") + b"tR" + STOP,
    "calls-eval": PROTO + b"cbuiltins\neval\n(" + word("open('MARK','w')") + b"tR" + STOP,
    "calls-by-stack-names": b"\x80\x04" + word("os") + word("system") + b"\x93(" + word("touch MARK") + b"tR" + STOP,
    "calls-by-instance": PROTO + b"(" + word("touch MARK") + b"ios\nsystem\n" + STOP,
    "calls-by-object": PROTO + b"(cos\nsystem\n" + word("touch MARK") + b"o" + STOP,
    "calls-by-new-object": PROTO + b"cos\nsystem\n" + word("touch MARK") + b"\x85\x81" + STOP,
    "calls-through-torch": PROTO + b"ctorch.hub\nload\n(" + word("a/b") + word("c") + b"tR" + STOP,
    "calls-a-dtype": PROTO + b"ctorch\nfloat32\n(" + word("x") + b"tR" + STOP,
    "calls-a-storage": PROTO + b"ctorch\nFloatStorage\n(" + number(1 << 40) + b"tR" + STOP,
    "extension": PROTO + b"\x82\x01" + STOP,
    "sets-attributes": PROTO + b"]}(" + word("__class__") + b"Nub" + STOP,
    "persistent-word": PROTO + b"P../../etc/passwd\n" + STOP,
    "name-of-5000-digits": named((f"generator.style.{'9' * 5000}.weight", described())),
    "name-of-a-megabyte": named(("x" * (1 << 20), described())),
    "name-of-lines": named(("a\n\x1b[31mb\x00" * 200, described())),
    "name-of-half-letters": named(("\ud800", described())),
    "name-beyond-ascii": named(("généré.模型.١٢", described())),
    "number-as-name": PROTO + b"}K\x01" + described() + b"s" + STOP,
    "layer-99999999": named(*((name, described()) for name in ("generator.style.99999999.weight", "ecd0.0.0.weight"))),
    "whole-network-expanded": _expanded(GPENConfig.released(512)),
    "whole-network-in-one-storage": _overlapping(GPENConfig.released(256)),
}
"""What the pickle of a file says, for both of PyTorch's formats."""


def _many_entries(count: int) -> bytes:
    """A zip file that lists the same few bytes again and again."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    shown = min(count, 0xFFFF)
    first = b"PK\x03\x04" + bytes(27)
    directory = entry * count
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, shown, shown, len(directory), len(first), 0)
    if count > 0xFFFF:
        end64 = struct.pack(
            "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), len(first)
        ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, len(first) + len(directory), 1)
        end = end64 + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return first + directory + end


def _lying_end(**lies: int) -> bytes:
    data = bytearray(zipped(PAYLOADS["expanded"]))
    at = data.rfind(b"PK\x05\x06")
    places = {"entries": (10, "<H"), "size": (12, "<I"), "offset": (16, "<I")}
    for what, value in lies.items():
        struct.pack_into(places[what][1], data, at + places[what][0], value)
    return bytes(data)


def _safetensors_bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    yield "header-of-2-to-the-63", lambda: safetensors("{", length=1 << 63)
    yield "header-of-a-gigabyte", lambda: safetensors("{", length=1 << 30)
    yield "header-of-50-MB", lambda: safetensors("{" + " " * 50_000_000 + "}")
    yield "header-of-lists", lambda: safetensors('{"a":' + "[" * 1_000_000 + "]" * 1_000_000 + "}")
    yield (
        "header-of-200000-tensors",
        lambda: safetensors({f"t{i}": {**one, "data_offsets": [0, 0]} for i in range(200_000)}),
    )
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    yield "header-of-40000-empty-tensors", lambda: safetensors({f"t{i}": empty for i in range(40_000)})
    yield "overlapping", lambda: safetensors({"a": one, "b": one}, bytes(16))
    yield "shape-overflows", lambda: safetensors({"a": {**one, "shape": [1 << 63, 4]}}, bytes(16))
    yield "shape-wraps-to-nothing", lambda: safetensors({"a": {**one, "shape": [1 << 32, 1 << 32, 0]}}, bytes(16))
    yield "empty-and-huge", lambda: safetensors({"a": {"dtype": "F32", "shape": [1 << 62, 0], "data_offsets": [0, 0]}})
    yield "offsets-outside", lambda: safetensors({"a": {**one, "data_offsets": [0, 1 << 50]}}, bytes(16))
    yield "offsets-backwards", lambda: safetensors({"a": {**one, "data_offsets": [16, 0]}}, bytes(16))
    yield "unknown-type", lambda: safetensors({"a": {**one, "dtype": "F7"}}, bytes(16))
    yield "half-bytes", lambda: safetensors({"a": {"dtype": "F4", "shape": [32], "data_offsets": [0, 16]}}, bytes(16))
    yield "same-name-twice", lambda: safetensors(f'{{"a": {json.dumps(one)}, "a": {json.dumps(one)}}}', bytes(16))
    yield "metadata-of-3-MB", lambda: safetensors({"__metadata__": {"x": "y" * 3_000_000}, "a": one}, bytes(16))
    yield "metadata-of-numbers", lambda: safetensors({"__metadata__": {"x": 1}, "a": one}, bytes(16))
    yield "floats-of-8-bits", lambda: safetensors({"a": {**one, "dtype": "F8_E4M3", "shape": [16]}}, bytes(16))
    yield "layer-99999999", lambda: _in_safetensors(TINY, ("generator.style.99999999.weight",))
    yield (
        "octave-99999999",
        lambda: _in_safetensors(TINY, ("generator.convs.99999999.conv.weight", "ecd99999999.0.1.weight")),
    )
    yield "layer-of-5000-digits", lambda: _in_safetensors(TINY, (f"generator.style.{'9' * 5000}.weight",))
    yield "network-of-2-to-the-51-pixels", lambda: _in_safetensors(_endless_network())


def _zip_bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    good, zeros = PAYLOADS["expanded"], bytes(16 << 20)
    for name, how in (("deflated", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        yield f"storage-{name}", lambda how=how: zipped(good, zeros, how)
        yield f"pickle-{name}", lambda how=how: zipped(PROTO + zeros[: 8 << 20] + STOP, how=how)
    yield "a-million-entries", lambda: _many_entries(1_000_000)
    yield "20000-entries", lambda: _many_entries(20_000)
    yield "end-lies-about-entries", lambda: _lying_end(entries=0xFFFE)
    yield "end-lies-about-size", lambda: _lying_end(size=0xFFFFFFF0)
    yield "end-lies-about-place", lambda: _lying_end(offset=0x7FFFFFFF)
    yield "pickle-of-16-MB", lambda: zipped(zeros)
    yield "torchscript", lambda: zipped(good, code____torch____Net_py=b"import os", constants__pkl=b"\x80\x02).")
    yield "two-pickles", lambda: zipped(good, more__data_pkl=good)
    yield "no-pickle", lambda: zipped(good).replace(b"data.pkl", b"data.pxl")
    yield "big-endian", lambda: zipped(good).replace(b"little", b"bigger")


OTHERS = {
    "onnx": b"\x08\x07\x12\x07pytorch\x1a\x051.9.0" + bytes(1000),
    "gzip": b"\x1f\x8b\x08" + bytes(1000),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
    "numpy": b"\x93NUMPY\x01\x00" + bytes(1000),
    "tar": b"storages" + bytes(1000),
    "page": b"<!DOCTYPE html><html>Sign in</html>",
    "zeros": bytes(100_000),
    "plain-pickle": PROTO + b"}" + STOP,
}


def bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name and the content of each file."""
    for name, pickle in PAYLOADS.items():
        yield f"zip: {name}", lambda pickle=pickle: zipped(pickle)
        yield f"legacy: {name}", lambda pickle=pickle: legacy(pickle)
    for name, make in _zip_bombs():
        yield f"zip: {name}", make
    for name, make in _safetensors_bombs():
        yield f"safetensors: {name}", make
    good = PAYLOADS["expanded"]
    yield "legacy: storages of 2^60", lambda: legacy(named(("a", described())), elements=1 << 60)
    yield "legacy: storages of -1", lambda: legacy(named(("a", described())), elements=-1)
    yield "legacy: keys that are no list", lambda: legacy(good, keys=PROTO + b"K\x05" + STOP)
    yield "legacy: a million keys", lambda: legacy(good, keys=PROTO + b"](" + word("0") * 600_000 + b"e" + STOP)
    for name, content in OTHERS.items():
        yield f"other: {name}", lambda content=content: content
