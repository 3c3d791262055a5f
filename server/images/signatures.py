"""The format of a file, by its first bytes."""

import re

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.brands import is_avif, is_heic
from vitscope.server.images.foreign import name_binary
from vitscope.server.images.heic import HEIC_AVAILABLE, HEIC_HINT
from vitscope.server.images.mangled import HOW_TO_SEND, changed_line_ends, name_mangled
from vitscope.server.images.text import name_text, to_ascii
from vitscope.server.images.written import name_written

FIELD = "encoded"
"""The field of every InvalidRequest about a file."""

FORMATS = f"a whole JPEG, PNG, WebP, AVIF, {'HEIC, ' if HEIC_AVAILABLE else ''}GIF, BMP or TIFF file"

# Pattern of the first bytes -> Pillow's name of the format.
_ACCEPTED = {
    re.compile(pattern, re.DOTALL): name
    for pattern, name in {
        rb"\xff\xd8\xff(?!\xf7)": "JPEG",  # but JPEG-LS
        rb"\x89PNG\r\n\x1a\n": "PNG",
        rb"RIFF....WEBP": "WEBP",
        rb"GIF8[79]a": "GIF",
        rb"BM": "BMP",
        rb"II[\x2a\x2b]\x00(?!....CR\x02)|MM\x00\x2a": "TIFF",  # but Canon's raw photos
    }.items()
}
# How far behind other bytes a file is looked for that should begin the message.
_BEFORE = 128
_LATER = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|II\x2a\x00|MM\x00\x2a|\x00...ftyp(?:avi|hei|mif)"
    rb"|BM....\x00{4}..\x00\x00[\x0c\x28\x40\x6c\x7c]\x00{3}",
    re.DOTALL,
)
# Comments and declarations may stand before the first element of a drawing.
_HEAD = 4096


def sniff(data: bytes) -> str:
    """Return Pillow's name of the format of `data`: JPEG, PNG, WEBP, AVIF, HEIF, GIF, BMP or TIFF.

    Raises InvalidRequest for anything else, saying what the bytes look like.
    """
    if not data:
        raise InvalidRequest(FIELD, "0 bytes", FORMATS)
    if format_name := _accepted(data):
        if format_name == "JPEG" and changed_line_ends(data):
            found = "a JPEG file in which each line feed is behind a carriage return, as after a text-mode transfer"
            raise InvalidRequest(FIELD, found, f"{FORMATS}, {HOW_TO_SEND}")
        return format_name
    size = "1 byte that looks" if len(data) == 1 else f"{len(data):,} bytes that look"
    if is_heic(data):
        raise InvalidRequest(FIELD, f"{size} like {HEIC_HINT}", FORMATS)
    head = data[:_HEAD]
    if mangled := name_mangled(head, _name):
        raise InvalidRequest(FIELD, f"{size} like {mangled}", f"{FORMATS}, {HOW_TO_SEND}")
    if written := name_written(to_ascii(head), _name):
        raise InvalidRequest(FIELD, f"{size} like {written}", f"{FORMATS}, as the bytes themselves")
    looks_like = (
        name_binary(data)
        or _name_later(head)
        or name_text(to_ascii(head))
        or f"an unknown kind of file, starting with {head[:8].hex(' ')}"
    )
    raise InvalidRequest(FIELD, f"{size} like {looks_like}", FORMATS)


def _accepted(data: bytes) -> str | None:
    for pattern, name in _ACCEPTED.items():
        if pattern.match(data):
            return name
    if is_avif(data):
        return "AVIF"
    return "HEIF" if HEIC_AVAILABLE and is_heic(data) else None


def _name(head: bytes) -> str | None:
    """Return the name of the format of a file that was written out as text."""
    accepted = _accepted(head)
    return named(accepted) if accepted else "a HEIC photo" if is_heic(head) else name_binary(head)


def _name_later(head: bytes) -> str | None:
    found = _LATER.search(head, 1, _BEFORE)
    if not found:
        return None
    name = _name(head[found.start() :])
    return (
        f"{name} behind other bytes that do not belong to it ({head[: found.start()][:8].hex(' ')})" if name else None
    )


def named(name: str) -> str:
    """Return "a JPEG file" for JPEG."""
    return f"{'an' if name[0] in 'A' else 'a'} {name} file"
