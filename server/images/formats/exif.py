"""EXIF (EXIF 2.32: a TIFF directory): a bound on what reading it takes."""

import re

from vitscope.server.images.formats.directory import Layout

# Bytes, entries, and bytes of all values per byte of the EXIF. Pillow reads each value into memory of its own, holding
# the GIL, although many entries may share one. Cameras write some hundred entries in at most 64 KB.
MAX_BYTES = 2**20
MAX_ENTRIES = 4096
MAX_SHARED = 4
LIMITS = f"more than {MAX_BYTES:,} bytes or {MAX_ENTRIES:,} entries, or whose entries overlap"

# What Pillow takes for the first bytes of a directory.
_HEAD = re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]|MM\x2a\x00|II\x00\x2a")
_HEADS = 256


def is_heavy(exif: bytes) -> bool:
    """Return whether reading the EXIF would take far more than its bytes; `exif` may begin with "Exif" and zeros."""
    body = re.sub(rb"\A(?:Exif\x00\x00)+", b"", exif[:64], count=1) + exif[64:]
    if len(body) > MAX_BYTES:
        return True
    layout = Layout.of(body)
    for at, entries in layout.chain(body):  # Pillow reads the first alone
        found = list(layout.entries(body, at, min(entries, MAX_ENTRIES + 1)))
        held = sum(entry.size for entry in found if entry.size <= len(body))
        return len(found) > MAX_ENTRIES or held > MAX_SHARED * len(body)
    return False


def holds_heavy(data: bytes) -> bool:
    """Return whether EXIF anywhere in a file is heavy, wherever its container says that it is."""
    for number, found in enumerate(_HEAD.finditer(data)):
        if number == _HEADS or is_heavy(data[found.start() : found.start() + MAX_BYTES]):
            return True
    return False
