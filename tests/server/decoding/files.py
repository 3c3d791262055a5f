"""Files to decode in processes, and how to find those processes."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from PIL import Image

from tests.server.images.samples import TOKENS, VIT
from vitscope.server.decoding.host import Decoders
from vitscope.server.decoding.job import DecodeJob
from vitscope.server.images.limits import ImageLimits


@lru_cache
def large_png(width: int = 7000, height: int = 7000) -> bytes:
    """Return a PNG of one colour: 150 MB of pixels in less than one, which take about a second."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((width * 3 + 1) * height), 1)
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(number: int = 0, width: int = 400, height: int = 300) -> bytes:
    """Return an ordinary TIFF, which differs from that of every other number."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, number % 256, number // 256)).save(file, "TIFF", compression="tiff_lzw")
    return file.getvalue()


def job(data: bytes, keep_photo: bool = False) -> DecodeJob:
    """Return the decode of a file for a model of 224 x 224 pixels."""
    return DecodeJob(data, VIT, TOKENS, ImageLimits(), keep_photo)


def forks(decoders: Decoders) -> list[int]:
    """Return the ids of the processes that decode."""
    pid = decoders.template.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] if pid else []


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    """Return False if there is no such process, or if it has ended and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
