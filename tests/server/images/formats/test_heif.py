"""AVIF and HEIC: sizes come from the boxes, and each picture is turned once."""

import struct
from typing import Any

import pytest
from PIL import Image

from tests.server.images.samples import TOKENS, VIT, difference, encoded, oriented, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import ImageLimits, prepare_encoded, signatures
from vitscope.server.images.cost import predict
from vitscope.server.images.decode import decode
from vitscope.server.images.formats.boxes import boxes, find, pictures
from vitscope.server.images.formats.heif import check, shape

LIMITS = ImageLimits()
BOTH = ["AVIF", "HEIF"]


def _photo() -> Image.Image:
    return photos()["coffee.png"].resize((128, 64))


@pytest.mark.parametrize("format", BOTH)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_pictures_are_decoded(format: str, mode: str) -> None:
    image, orientation = decode(encoded(_photo().convert(mode), format), LIMITS)
    assert (image.mode, image.size, orientation) == ("RGB", (128, 64), 1)
    assert difference(image, _photo().convert(mode).convert("RGB")) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_once_and_its_orientation_reported(orientation: int) -> None:
    data = oriented(_photo(), "AVIF", orientation)
    image, found = decode(data, LIMITS)
    assert (found, image.size) == (orientation, (128, 64))
    assert difference(image, _photo()) < 6
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)


def _heic_with(kind: bytes, value: int) -> bytes:
    """Return a HEIC photo in which a property (`pixi`) is replaced by one that turns it."""
    data = encoded(_photo(), "HEIF")
    at = data.index(b"pixi")
    (size,) = struct.unpack(">I", data[at - 4 : at])
    return data[:at] + kind + bytes([value]) + bytes(size - 9) + data[at + size - 4 :]


@pytest.mark.parametrize("quarters", range(4))
def test_a_heic_photo_is_turned_once_by_its_own_properties(quarters: int) -> None:
    image, orientation = decode(_heic_with(b"irot", quarters), LIMITS)
    assert difference(image, _photo().rotate(90 * quarters, expand=True)) < 6
    assert orientation == 1


def test_the_exif_of_a_heic_photo_does_not_turn_it() -> None:
    """HEIF, 23008-12, annex A: the EXIF orientation is informative only. Phones write both."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image, orientation = decode(encoded(_photo(), "HEIF", exif=exif), LIMITS)
    assert (image.size, orientation) == ((128, 64), 1)
    assert difference(image, _photo()) < 6


def test_without_the_package_the_refusal_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(_photo(), "HEIF")
    assert signatures.sniff(data) == "HEIF"
    monkeypatch.setattr(signatures, "HEIC_AVAILABLE", False)
    with pytest.raises(InvalidRequest, match=r"like a HEIC photo, which .* vitscope\[heic\]"):
        signatures.sniff(data)


@pytest.mark.parametrize(
    ("major", "others", "name"),
    [
        (b"avif", (b"mif1",), "AVIF"),
        (b"mif1", (b"mif1", b"avif"), "AVIF"),
        (b"avis", (b"msf1",), "AVIF"),
        (b"msf1", (b"avis",), "AVIF"),
        (b"heic", (b"mif1",), "HEIF"),
        (b"mif1", (b"heic",), "HEIF"),
        (b"heix", (), "HEIF"),
        (b"hevc", (b"msf1",), "HEIF"),
        (b"msf1", (b"hevc",), "HEIF"),
    ],
)
def test_brands(major: bytes, others: tuple[bytes, ...], name: str) -> None:
    box = struct.pack(">I4s4sI", 16 + 4 * len(others), b"ftyp", major, 0) + b"".join(others)
    assert signatures.sniff(box + bytes(40)) == name


@pytest.mark.parametrize("format", BOTH)
def test_pixels_are_limited_by_the_boxes(format: str) -> None:
    data = encoded(_photo(), format)
    assert (shape(data).width, shape(data).height, shape(data).coding) == (128, 64, format)
    claiming = data.replace(struct.pack(">II", 128, 64), struct.pack(">II", 60000, 60000))
    with pytest.raises(InvalidRequest, match="60000x60000 pixels; accepted: at most 50,000,000 pixels"):
        check(claiming, LIMITS)


@pytest.mark.parametrize("format", BOTH)
def test_frames_are_limited(format: str) -> None:
    both: dict[str, Any] = {"save_all": True, "append_images": [_photo().rotate(180)]}
    data = encoded(_photo(), format, **both)
    assert difference(decode(data, LIMITS)[0], _photo()) < 6
    with pytest.raises(InvalidRequest, match="more than 1 frames"):
        decode(data, ImageLimits(max_frames=1))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _tiled(count: int, side: int) -> bytes:
    """Return a file whose `count` items all have one size."""
    sizes = _box(b"ipco", _box(b"ispe", struct.pack(">III", 0, side, side)))
    items = b"".join(struct.pack(">HBB", number, 1, 1) for number in range(1, count + 1))
    properties = _box(b"iprp", sizes + _box(b"ipma", struct.pack(">II", 0, count) + items))
    meta = _box(b"pitm", struct.pack(">IH", 0, 1)) + _box(b"iinf", struct.pack(">IH", 0, count)) + properties
    return _box(b"ftyp", b"avif\0\0\0\0mif1") + _box(b"meta", bytes(4) + meta)


def test_tiles_are_limited_together() -> None:
    check(_tiled(800, 500), LIMITS)
    with pytest.raises(InvalidRequest, match=r"tiles of 400,000,000 pixels; accepted: at most 200,000,000"):
        check(_tiled(1600, 500), LIMITS)
    with pytest.raises(InvalidRequest, match="of 20,000 items"):
        check(_tiled(20_000, 1), LIMITS)
    assert shape(_tiled(4, 500)).passes == 4


@pytest.mark.parametrize("format", BOTH)
def test_heavy_exif_is_refused_before_it_is_read(format: str) -> None:
    entries = b"".join(struct.pack("<HHII", number, 1, 60_000, 8) for number in range(1000))
    heavy = b"II\x2a\0\x08\0\0\0" + struct.pack("<H", 1000) + entries + bytes(60_000)
    with pytest.raises(InvalidRequest, match="entries overlap"):
        check(encoded(_photo(), format) + _box(b"mdat", heavy), LIMITS)


def test_boxes_end_where_the_file_does() -> None:
    assert [box.kind for box in boxes(_box(b"free", b"") * 3, 0, 24)] == [b"free"] * 3
    assert list(boxes(struct.pack(">I4s", 4, b"free"), 0, 8)) == []  # smaller than itself
    assert next(boxes(struct.pack(">I4sQ", 1, b"free", 2**60) + b"x", 0, 17)).end == 17
    data = encoded(_photo(), "AVIF")
    for end in range(0, len(data), 7):
        pictures(data[:end])
        list(find(data[:end], 0, end, b"meta", b"iprp"))


@pytest.mark.parametrize("format", BOTH)
def test_overlays_get_their_photo(format: str) -> None:
    prepared = prepare_encoded(encoded(_photo(), format), VIT, TOKENS, LIMITS, keep_photo=True)
    assert prepared.photo is not None
    assert prepared.photo.size == (128, 64)


@pytest.mark.parametrize("format", BOTH)
def test_its_cost_is_never_certain_as_the_boxes_may_name_another_size_than_the_pictures_have(format: str) -> None:
    data = bytearray(encoded(Image.new("RGB", (4000, 3000)), format))
    box = data.index(b"ispe") + 8
    data[box : box + 8] = struct.pack(">II", 64, 64)
    cost = predict(bytes(data), LIMITS)
    assert ((cost.width, cost.height), cost.certain) == ((64, 64), False)
