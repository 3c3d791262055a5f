"""Every file becomes upright 8-bit RGB, or raises InvalidRequest and nothing else."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import difference, encoded, oriented, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.limits import ImageLimits

LIMITS = ImageLimits()


def _photo(width: int = 61, height: int = 43) -> Image.Image:
    return photos()["coffee.png"].resize((width, height))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright_and_reported(format: str, orientation: int) -> None:
    image, found = decode(oriented(_photo(), format, orientation), LIMITS)
    assert found == orientation
    assert image.size == (61, 43)
    assert difference(image, _photo()) < (3 if format == "JPEG" else 1e-9)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    image, found = decode(encoded(_photo(), "PNG", exif=exif), LIMITS)
    assert (found, image.size) == (1, (61, 43))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # pytest sets its own filters; see test_header
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"\xff" * 50, b"x"]
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_ignored(format: str, exif: bytes) -> None:
    image, found = decode(encoded(_photo(), format, exif=exif), LIMITS)
    assert (image.mode, image.size, found) == ("RGB", (61, 43), 1)


def _as(mode: str) -> Image.Image:
    with_alpha = _photo().convert("RGBA")
    with_alpha.putalpha(Image.linear_gradient("L").resize((61, 43)))
    return with_alpha.convert(mode)


@pytest.mark.parametrize(
    ("format", "mode"),
    [("PNG", m) for m in ("1", "L", "LA", "P", "RGB", "RGBA")]
    + [("TIFF", m) for m in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")]
    + [("JPEG", m) for m in ("L", "RGB", "CMYK")]
    + [("WEBP", "RGB"), ("WEBP", "RGBA"), ("GIF", "P"), ("GIF", "L"), ("BMP", "1"), ("BMP", "P"), ("BMP", "RGBA")],
)
def test_every_mode_equals_pillows_rgb(format: str, mode: str) -> None:
    data = encoded(_as(mode), format)
    image, _ = decode(data, LIMITS)
    assert image.mode == "RGB"
    reference = Image.open(io.BytesIO(data))
    reference.info.pop("transparency", None)
    assert difference(image, reference.convert("RGB")) == 0


def test_alpha_is_dropped_not_blended() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (200, 100, 50, 0)), "PNG"), LIMITS)[0].getpixel((0, 0)) == (
        200,
        100,
        50,
    )


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("transparency", [3, bytes(range(256))])
def test_transparent_palettes_keep_their_colours(transparency: int | bytes) -> None:
    palette = _photo().convert("P")
    image, _ = decode(encoded(palette, "PNG", transparency=transparency), LIMITS)
    assert difference(image, palette.convert("RGB")) == 0


def test_lab_is_converted_to_the_same_colour() -> None:
    lab = Image.frombytes("LAB", (1, 2), bytes([136, 81, 67, 255, 0, 0]))  # L* 53.2, a* 80, b* 67: sRGB red
    red, white = np.asarray(decode(encoded(lab, "TIFF"), LIMITS)[0]).reshape(2, 3).astype(int)
    assert red[0] > 240
    assert red[1:].max() < 40
    assert white.min() > 250


def test_an_adobe_cmyk_jpeg_is_not_inverted() -> None:
    image, _ = decode(encoded(Image.new("RGB", (16, 16), (250, 20, 20)).convert("CMYK"), "JPEG", quality=95), LIMITS)
    red, green, blue = image.getpixel((8, 8))  # type: ignore[misc]
    assert red > 230
    assert green < 40
    assert blue < 40


@pytest.mark.parametrize(("format", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_16_bit_grey_is_scaled_and_not_clipped(format: str, order: str) -> None:
    grey = np.arange(65536, dtype=order).reshape(256, 256)
    image, _ = decode(encoded(Image.fromarray(grey), format), LIMITS)
    expected = np.floor(grey / 257 + 0.5)
    assert np.array_equal(np.asarray(image), np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize(("mode", "said"), [("F", "floating-point"), ("I", "integer")])
def test_pixels_without_an_agreed_white_level_are_refused(mode: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{said} pixels.*accepted: 8-bit"):
        decode(encoded(_photo().convert("L").convert(mode), "TIFF"), LIMITS)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG", "MPO"])
def test_the_first_frame_is_used(format: str) -> None:
    red, blue = (Image.new("RGB", (32, 24), colour) for colour in ((250, 0, 0), (0, 0, 250)))
    image, _ = decode(encoded(red, format, save_all=True, append_images=[blue]), LIMITS)
    assert difference(image, red) < 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_refused(format: str, kept: float) -> None:
    data = encoded(photos()["coffee.png"].resize((300, 200)), format)
    with pytest.raises(InvalidRequest, match=f"a {format} file"):
        decode(data[: int(len(data) * kept)], LIMITS)


def test_the_error_of_a_damaged_tiff_says_so() -> None:
    data = bytearray(encoded(photos()["coffee.png"].resize((300, 200)), "TIFF", compression="tiff_lzw"))
    data[3000:4000] = bytes(1000)
    with pytest.raises(InvalidRequest, match=r"a TIFF file that cannot be decoded \(damaged or truncated data\)"):
        decode(bytes(data), LIMITS)


def _files() -> dict[str, bytes]:
    photo, other = _photo(), _photo().rotate(180)
    both: dict[str, Any] = {"save_all": True, "append_images": [other]}
    return {
        "jpeg": oriented(photo, "JPEG", 6),
        "progressive": encoded(photo, "JPEG", progressive=True),
        "cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "mpo": encoded(photo, "MPO", **both),
        "png": oriented(photo, "PNG", 5),
        "palette": encoded(photo.convert("P"), "PNG", transparency=0),
        "apng": encoded(photo, "PNG", **both),
        "png16": encoded(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "PNG"),
        "webp": oriented(photo, "WEBP", 3),
        "lossy": encoded(photo, "WEBP"),
        "animation": encoded(photo, "WEBP", **both),
        "gif": encoded(photo, "GIF", **both),
        "bmp": encoded(photo, "BMP"),
        "bmp palette": encoded(photo.convert("P"), "BMP"),
        "tiff": oriented(photo, "TIFF", 7),
        "pages": encoded(photo, "TIFF", **both),
        "lzw": encoded(photo, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(photo, "TIFF", compression="jpeg"),
        "group4": encoded(photo.convert("1"), "TIFF", compression="group4"),
        "lab": encoded(photo.convert("RGB").convert("LAB"), "TIFF"),
    }


FILES = _files()


def _repair(png: bytearray) -> None:
    """Correct the checksums, so that Pillow reads what they protect."""
    at = 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_malformed_files_raise_invalid_request_and_nothing_else(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    early = st.integers(0, min(len(file) - 1, 200))  # headers can be damaged in more ways than pixels
    for at in data.draw(st.lists(early | st.integers(0, len(file) - 1), max_size=8)):
        file[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        start, end = sorted(data.draw(st.tuples(st.integers(0, len(file)), st.integers(0, len(file)))))
        file[start:end] = data.draw(st.binary(max_size=16))
    if file.startswith(b"\x89PNG") and data.draw(st.booleans()):
        _repair(file)
    try:
        image, orientation = decode(bytes(file), ImageLimits(max_pixels=1_000_000))
    except InvalidRequest as refused:
        assert refused.field == "encoded"
    else:
        assert image.mode == "RGB"
        assert 1 <= orientation <= 8


def test_the_same_files_without_damage_are_accepted() -> None:
    for data in FILES.values():
        assert decode(data, LIMITS)[0].mode == "RGB"


def test_a_tiff_strip_that_lies_outside_the_file_is_refused() -> None:
    data = bytearray(encoded(_photo(), "TIFF"))
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, entry) == (273,):  # StripOffsets
            struct.pack_into("<I", data, entry + 8, 2**31)
    with pytest.raises(InvalidRequest):
        decode(bytes(data), LIMITS)
