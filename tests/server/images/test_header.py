"""Limits are enforced before a pixel is decoded."""

import struct
import subprocess
import sys
import time
import tracemalloc
import zlib

import pytest
from PIL import Image

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.header import open_image, unreadable
from vitscope.server.images.limits import ImageLimits


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def _gif_claiming(side: int) -> bytes:
    data = bytearray(encoded(Image.new("L", (4, 4)), "GIF"))
    struct.pack_into("<HH", data, 6, side, side)
    return bytes(data)


def _bmp_claiming(side: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (4, 4)), "BMP"))
    struct.pack_into("<ii", data, 18, side, side)
    return bytes(data)


def _jpeg_claiming(side: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, side, side)
    return bytes(data)


def _tiff_claiming(side: int) -> bytes:
    data = encoded(Image.new("L", (0x1234, 0x1235)), "TIFF", compression="tiff_lzw")
    return data.replace(struct.pack("<H", 0x1234), struct.pack("<H", side)).replace(
        struct.pack("<H", 0x1235), struct.pack("<H", side)
    )


BOMBS = {
    "PNG": _png_claiming(60000, 60000),
    "GIF": _gif_claiming(60000),
    "BMP": _bmp_claiming(60000),
    "JPEG": _jpeg_claiming(60000),
    "TIFF": _tiff_claiming(60000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidRequest, match=r"60000x60000 pixels; accepted: at most (2?)50,000,000 pixels"):
        open_image(BOMBS[name], ImageLimits())
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_pillows_own_limit_does_not_interfere() -> None:
    limits = ImageLimits(max_pixels=4 * 10**9)
    assert open_image(_png_claiming(60000, 60000), limits).size == (60000, 60000)


def test_bytes_are_limited() -> None:
    data = encoded(photos()["coffee.png"], "PNG")
    with pytest.raises(InvalidRequest, match=rf"{len(data):,} bytes; accepted: at most 1,000 bytes"):
        open_image(data, ImageLimits(max_bytes=1000))


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
def test_frames_are_limited(format: str) -> None:
    photo = photos()["coffee.png"].resize((40, 30))
    data = encoded(photo, format, save_all=True, append_images=[photo.rotate(90 * i) for i in (1, 2, 3)])
    assert open_image(data, ImageLimits(max_frames=4))
    with pytest.raises(InvalidRequest, match="more than 3 frames; accepted: at most 3"):
        open_image(data, ImageLimits(max_frames=3))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # pytest sets its own filters; the last test here uses ours
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_error_of_a_truncated_header_says_so(format: str) -> None:
    data = encoded(photos()["coffee.png"].resize((40, 30)), format)
    with pytest.raises(InvalidRequest, match=rf"a {format} file .*(header|cannot be decoded)") as refused:
        open_image(data[:16], ImageLimits())
    assert "0x" not in str(refused.value)


def test_a_memory_error_is_no_invalid_request() -> None:
    with pytest.raises(MemoryError), unreadable("PNG"):
        raise MemoryError


def test_odd_files_print_no_warnings_and_nothing_heavy_is_imported() -> None:
    program = """
import io, sys
from PIL import Image
from vitscope.server.images.decode import decode
from vitscope.server.images.limits import ImageLimits
exif = Image.Exif(); exif[0x010E] = "a description that is long enough"; exif[0x0112] = 6
damaged = bytearray(exif.tobytes()); damaged[14:18] = b"\\xff\\xff\\xff\\x7f"
file = io.BytesIO(); Image.new("RGB", (8, 4)).save(file, "JPEG", exif=bytes(damaged))
assert Image.open(io.BytesIO(file.getvalue())).getexif() is not None
print(decode(file.getvalue(), ImageLimits())[0].size)
palette = Image.new("P", (8, 4)); palette.info["transparency"] = bytes(range(256))
file = io.BytesIO(); palette.save(file, "PNG")
heavy = [m for m in ("torch", "transformers", "google.protobuf", "grpc") if m in sys.modules]
print(decode(file.getvalue(), ImageLimits())[0].mode, heavy)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split("\n")[1] == "RGB []"


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1), (1, 50_000_000)])
def test_sides_are_limited_since_each_row_costs_by_itself(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match=r"pixels; accepted: at most 65,535 pixels a side"):
        open_image(_png_claiming(*size), ImageLimits())
    assert open_image(_png_claiming(1, 65_535), ImageLimits()).size == (1, 65_535)


def _heavy_exif(entries: int, shared: int) -> bytes:
    fields = b"".join(struct.pack("<HHII", number, 1, shared, 8) for number in range(entries))
    return b"Exif\0\0II\x2a\0\x08\0\0\0" + struct.pack("<H", entries) + fields + bytes(shared)


def test_heavy_exif_is_refused_in_a_jpeg_and_not_read_elsewhere() -> None:
    photo = photos()["coffee.png"].resize((40, 30))
    for exif in (_heavy_exif(1000, 40_000), _heavy_exif(10, 60_000)):
        with pytest.raises(InvalidRequest, match="a JPEG file with EXIF of more than"):
            open_image(encoded(photo, "JPEG", exif=exif), ImageLimits())
    for format in ("PNG", "WEBP"):
        data = encoded(photo, format, exif=_heavy_exif(60_000, 900_000))
        start = time.thread_time()
        assert decode(data, ImageLimits())[1] == 1
        assert time.thread_time() - start < 0.2


def test_exif_of_many_segments_is_refused_before_pillow_joins_it() -> None:
    segment = b"\xff\xe1" + struct.pack(">H", 65_000) + b"Exif\0\0" + bytes(64_992)
    data = encoded(photos()["coffee.png"].resize((40, 30)), "JPEG")
    with pytest.raises(InvalidRequest, match="EXIF of more than 1,048,576 bytes"):
        open_image(data[:2] + segment * 20 + data[2:], ImageLimits())
