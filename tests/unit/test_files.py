"""A file keeps what it carried."""

import os
import struct
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import PIL
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageFile, ImageOps

import gpen.image.formats
from gpen.errors import PictureError
from gpen.image.files import PictureFile, read_picture, write_picture
from gpen.image.formats.tags import Tags
from tests.support.picture_files import Case, all_cases, exif, picture, seen, write

CASES = all_cases()


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def changed(rgb: torch.Tensor) -> torch.Tensor:
    """A picture with its upper left corner inverted, as a restored face might change it."""
    done = rgb.clone()
    done[:, :8, :8] = 1 - done[:, :8, :8]
    return done


def same_alpha(one: PictureFile, other: PictureFile) -> bool:
    """Whether both have the same transparency, or none."""
    a, b = one.alpha, other.alpha
    return a is b is None or (a is not None and b is not None and a.equal(b))


def expected_pixels(case: Case) -> np.ndarray:
    """The picture of a lossless case as it was drawn, turned upright; (H, W, C) in its own numbers."""
    deep, mode = case.mode.endswith("16"), case.mode.removeprefix("lossless ").removesuffix("16")
    pixels = picture(mode, deep)
    return np.stack(
        [
            np.asarray(ImageOps.exif_transpose(_oriented(Image.fromarray(pixels[..., channel]), case.orientation)))
            for channel in range(pixels.shape[2])
        ],
        axis=-1,
    )


def _oriented(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return image


def test_there_are_more_than_two_hundred() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_file_keeps_what_it_carried(case: Case, tmp_path: Path) -> None:
    source, target = tmp_path / f"in.{case.suffix}", tmp_path / f"out.{case.suffix}"
    write(source, case)
    read = read_picture(source)
    if case.lossless and case.mode not in ("1", "P", "PA"):
        np.testing.assert_array_equal(read.frames[0], expected_pixels(case))
    assert write_picture(target, read.rgb, like=read).copied
    assert target.read_bytes() == source.read_bytes()

    wanted = changed(read.rgb)
    done = write_picture(target, wanted, like=read)
    again = read_picture(target)
    if (case.suffix, case.mode) == ("avif", "L") and case.has("icc") and PIL.__version__ < "12":
        assert done.lost == ("the colour profile",)
        return
    assert not done.copied and done.lost == ()
    assert (again.bits, again.grey, again.frames[0].shape) == (read.bits, read.grey, read.frames[0].shape)
    assert (again.alpha is None) == (read.alpha is None)
    if case.lossless:
        most = 2**read.bits - 1
        assert (again.rgb * most).round().equal((wanted * most).round())
        assert same_alpha(again, read)
    before, after = seen(source), seen(target)
    if case.has("exif"):
        turned = case.orientation >= 5 and case.suffix != "tiff"
        assert before["exif"][ExifTags.Base.Make] == "Camera"
        size = {(34665, 40962): 30, (34665, 40963): 42} if turned else {}
        before["exif"] |= {ExifTags.Base.Orientation: 1, **size}
    if case.suffix in ("tiff", "avif"):  # said by their own header, or by none
        for told in (before, after):
            told["exif"].pop(ExifTags.Base.Orientation, None)
    if case.suffix in ("webp", "avif"):
        before["dpi"], after["dpi"] = None, None
    assert after == before


@pytest.mark.parametrize("anything_goes", [False, True])
@pytest.mark.parametrize("case", [case for case in CASES if case.metadata == "all"], ids=str)
def test_a_file_cut_short_is_refused(
    case: Case, anything_goes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", anything_goes)  # as other packs of ComfyUI leave it
    path = tmp_path / f"in.{case.suffix}"
    write(path, case)
    data = path.read_bytes()
    pixels = len(data) - len(data) // 8
    for length in (0, 10, len(data) // 3, len(data) // 2, pixels):
        path.write_bytes(data[:length])
        with pytest.raises(PictureError, match="damaged"):
            read_picture(path)


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    write(source, Case("png", "RGBA16", "all", 1))
    read = read_picture(source)
    lost = write_picture(tmp_path / "out.jpg", read, like=read).lost
    assert set(lost) == {"PNG text", "transparency", "16 bits a channel"}
    lost = write_picture(tmp_path / "out.bmp", read, like=read).lost
    assert {"the colour profile", "EXIF", "XMP", "IPTC"} < set(lost)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif"])
@pytest.mark.parametrize("source_suffix", ["png", "jpg", "tiff", "webp"])
def test_metadata_goes_from_one_format_into_another(source_suffix: str, suffix: str, tmp_path: Path) -> None:
    source, target = tmp_path / f"in.{source_suffix}", tmp_path / f"out.{suffix}"
    write(source, Case(source_suffix, "RGB", "all", 6))
    read = read_picture(source)
    write_picture(target, changed(read.rgb), like=read)
    before, after = seen(source), seen(target)
    assert after["icc"] == before["icc"] and after["xmp"] == before["xmp"]
    assert after["exif"][ExifTags.Base.Make] == "Camera" and after["exif"].get(ExifTags.Base.Orientation, 1) == 1
    assert (read_picture(target).carried[0].exif == b"") is False
    if source_suffix in ("png", "jpg", "tiff"):
        # WebP and AVIF tell it in EXIF alone.
        with Image.open(target) as image:
            told = image.info.get("dpi") or [image.getexif()[tag] for tag in (282, 283)]
        assert [round(float(value)) for value in told] == [300, 300]
    if source_suffix in ("png", "jpg", "tiff") and suffix in ("jpg", "tiff"):
        assert after["iptc"] == {(2, 25): b"family", (2, 120): b"wedding day"}


def test_quality_bits_and_grey_as_asked(tmp_path: Path) -> None:
    write(tmp_path / "in.jpg", Case("jpg", "L", "none", 1))
    read = read_picture(tmp_path / "in.jpg")
    small = write_picture(tmp_path / "small.jpg", read, like=read, quality=20).path.stat().st_size
    large = write_picture(tmp_path / "large.jpg", read, like=read, quality=98).path.stat().st_size
    assert small < large
    colored = torch.rand(1, 30, 42, 3)
    assert read_picture(write_picture(tmp_path / "a.png", colored, like=read).path).grey
    assert not read_picture(write_picture(tmp_path / "b.png", colored, like=read, grey=False).path).grey
    assert read_picture(write_picture(tmp_path / "c.png", colored, bits=16).path).bits == 16
    with pytest.raises(PictureError, match="quality is 101"):
        write_picture(tmp_path / "d.jpg", colored, quality=101)


def frames(count: int = 5, alpha: bool = False) -> list[Image.Image]:
    """Frames that differ, of few colours."""
    made = []
    for index in range(count):
        pixels = np.full((24, 32, 4), (30 + 40 * index, 90, 60, 255), np.uint8)
        pixels[index : index + 9, 4 * index : 4 * index + 8] = (250, 220, 10 * index, 255)
        pixels[18:, :6, 3] = 0 if alpha else 255
        made.append(Image.fromarray(pixels if alpha else pixels[..., :3].copy()))
    return made


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_stays_one(suffix: str, alpha: bool, tmp_path: Path) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    first, *rest = frames(alpha=alpha)
    durations = [100, 40, 250, 70, 1000]
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {"disposal": 2 if suffix == "gif" else 0}
    first.save(source, save_all=True, append_images=rest, duration=durations, loop=3, **options)
    read = read_picture(source)
    assert read.rgb.shape == (5, 24, 32, 3)
    wanted = changed(read.rgb)
    write_picture(target, wanted, like=read)
    again = read_picture(target)
    shown = torch.ones(5, 24, 32) if read.alpha is None else read.alpha
    assert ((again.rgb - wanted).abs().amax(3) * shown).max() < 1e-6
    assert same_alpha(again, read)
    assert again.how["duration"] == durations and again.how["loop"] == read.how["loop"] == 3


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_goes_into_another_format(suffix: str, tmp_path: Path) -> None:
    first, *rest = frames()
    first.save(tmp_path / "in.gif", save_all=True, append_images=rest, duration=120)
    read = read_picture(tmp_path / "in.gif")
    again = read_picture(write_picture(tmp_path / f"out.{suffix}", changed(read.rgb), like=read).path)
    assert len(again.frames) == 5 and again.how["duration"] == [120] * 5
    assert again.how["loop"] == (None if suffix == "gif" else 1)
    with pytest.raises(PictureError, match="5 frames"):
        write_picture(tmp_path / "out.jpg", read, like=read)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_keeps_its_pages(order: Literal["<", ">"], tmp_path: Path) -> None:
    path = tmp_path / "in.tiff"
    rng = np.random.default_rng(0)
    pages = [
        rng.integers(0, 256, (20, 30, 3), np.uint8),
        rng.integers(0, 65536, (14, 9), np.uint16),
        rng.integers(0, 65536, (11, 12, 4), np.uint16),
    ]
    with tifffile.TiffWriter(path, byteorder=order) as file:
        for number, page in enumerate(pages):
            kind = "rgb" if page.ndim == 3 else "minisblack"
            tags = [(315, 2, 0, f"page {number}", True), (274, 3, 1, 6, True)]
            extra = ["unassalpha"] if page.shape[2:] == (4,) else None
            file.write(page, photometric=kind, extratags=tags, metadata=None, extrasamples=extra)
    read = read_picture(path)
    for frame, page in zip(read.frames, pages, strict=True):
        np.testing.assert_array_equal(frame, np.rot90(page.reshape(*page.shape[:2], -1), 3))
    with pytest.raises(PictureError, match="different sizes"):
        _ = read.rgb
    wanted = [changed(read.frame(index)) for index in range(3)]
    write_picture(tmp_path / "out.tiff", wanted, like=read)
    again = read_picture(tmp_path / "out.tiff")
    for index in range(3):
        assert torch.allclose(again.frame(index), wanted[index], atol=1e-6)
        assert again.frames[index].dtype == read.frames[index].dtype
        assert again.frames[index].shape == read.frames[index].shape
    with tifffile.TiffFile(tmp_path / "out.tiff") as file:
        assert [page.tags[315].value for page in file.pages] == ["page 0", "page 1", "page 2"]


def test_colours_multiplied_with_alpha_are_divided_by_it(tmp_path: Path) -> None:
    pixels = picture("RGBA", deep=True).astype(np.float64)
    multiplied = np.concatenate([pixels[..., :3] * pixels[..., 3:] / 65535, pixels[..., 3:]], axis=2).round()
    path = tmp_path / "in.tiff"
    tifffile.imwrite(path, multiplied.astype(np.uint16), photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    read, clear = read_picture(path).frames[0], pixels[..., 3] < 8192  # where a rounded product tells little
    assert clear.mean() < 0.2
    np.testing.assert_allclose(read[~clear], pixels[~clear], atol=5)


def test_makers_notes_stay_and_the_thumbnail_goes(tmp_path: Path) -> None:
    made = exif(6)
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(range(256)) * 3
    data = made.tobytes()[6:]
    at = next(Tags(data).directories())
    link = at + 2 + 12 * int.from_bytes(data[at : at + 2], "big")
    thumbnail = len(data) + len(data) % 2
    data = data[:link] + thumbnail.to_bytes(4, "big") + data[link + 4 :] + b"\0" * (len(data) % 2)
    data += struct.pack(">HHHLHHL", 1, ExifTags.Base.Orientation, 3, 1, 6, 0, 0)
    Image.fromarray(picture("RGB")).save(tmp_path / "in.jpg", exif=b"Exif\0\0" + data)
    assert len(list(Tags(data).directories())) == 2
    read = read_picture(tmp_path / "in.jpg")
    write_picture(tmp_path / "out.jpg", changed(read.rgb), like=read)
    with Image.open(tmp_path / "out.jpg") as image:
        raw = image.info["exif"][6:]
    assert len(list(Tags(raw).directories())) == 1
    assert raw.index(bytes(range(256)) * 3) == data.index(bytes(range(256)) * 3), "places in it are wrong now"


@pytest.mark.parametrize("profile", [False, True])
def test_cmyk_becomes_rgb_and_it_is_said(profile: bool, tmp_path: Path) -> None:
    Image.fromarray(picture("RGB")).convert("CMYK").save(tmp_path / "in.jpg", quality=95)
    read = read_picture(tmp_path / "in.jpg")
    assert abs(read.frames[0].astype(int) - picture("RGB")).mean() < 8
    assert any("CMYK" in words for words in write_picture(tmp_path / "out.jpg", changed(read.rgb), like=read).lost)


@pytest.mark.parametrize(("suffix", "module"), [("heic", "pillow_heif"), ("jxl", "pillow_jxl")])
def test_formats_of_other_packages(suffix: str, module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    write(tmp_path / "in.jpg", Case("jpg", "RGB", "all", 1))
    read = read_picture(tmp_path / "in.jpg")
    written = write_picture(tmp_path / f"first.{suffix}", read, like=read)
    assert ("the colour profile" in written.lost) == (suffix == "jxl")
    first = read_picture(tmp_path / f"first.{suffix}")
    write_picture(tmp_path / f"second.{suffix}", changed(first.rgb), like=first)
    again = read_picture(tmp_path / f"second.{suffix}")
    assert (again.rgb - changed(first.rgb)).abs().mean() < 0.03
    assert again.carried[0].exif and again.carried[0].xmp
    assert suffix == "jxl" or again.carried[0].icc == read.carried[0].icc


def test_a_package_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.heic").write_bytes(b"\0\0\0\x18ftypheic")
    monkeypatch.setattr(gpen.image.formats, "available", lambda format: format.name != "HEIF")
    with pytest.raises(PictureError, match="pip install 'pillow-heif'"):
        read_picture(tmp_path / "in.heic")


def test_a_failed_write_leaves_the_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.png"
    write_picture(target, torch.zeros(1, 8, 8, 3))
    earlier = target.read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match="No space left on device"):
        write_picture(target, torch.ones(1, 8, 8, 3))
    assert target.read_bytes() == earlier and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kind", ["array", "grey array", "float array", "16 bits", "Pillow", "Pillow grey", "file"])
def test_pictures_of_all_kinds_are_taken(kind: str, tmp_path: Path) -> None:
    pixels = picture("RGB")
    wanted = torch.from_numpy(pixels / np.float32(255))[None]
    if "grey" in kind:
        wanted = wanted[..., :1].expand(-1, -1, -1, 3)
    cv2.imwrite(str(tmp_path / "in.png"), pixels[..., ::-1])
    given = {
        "array": pixels,
        "grey array": pixels[..., 0],
        "float array": pixels / 255,
        "16 bits": pixels.astype(np.uint16) * 257,
        "Pillow": Image.fromarray(pixels),
        "Pillow grey": Image.fromarray(pixels[..., 0]),
        "file": read_picture(tmp_path / "in.png"),
    }[kind]
    written = write_picture(tmp_path / "out.png", given)
    assert torch.allclose(read_picture(written.path).rgb, wanted, atol=1e-6)
