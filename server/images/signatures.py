"""The format of a file, by its first bytes."""

import re

from vitscope.server.errors import InvalidRequest

FIELD = "encoded"
"""The field of every InvalidRequest about a file."""

FORMATS = "a whole JPEG, PNG, WebP, GIF, BMP or TIFF file"

# Pattern of the first bytes -> Pillow's name of the format.
_ACCEPTED = {
    rb"\xff\xd8\xff": "JPEG",
    rb"\x89PNG\r\n\x1a\n": "PNG",
    rb"RIFF....WEBP": "WEBP",
    rb"GIF8[79]a": "GIF",
    rb"BM": "BMP",
    rb"II[\x2a\x2b]\x00|MM\x00\x2a": "TIFF",
}

# Formats that callers send by mistake, most specific first.
_REFUSED = {
    rb"....ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)": "a HEIC photo",
    rb"....ftypavi[fs]": "an AVIF image",
    rb"....ftyp": "an MP4 or QuickTime video",
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": "a JPEG XL image",
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": "a JPEG 2000 image",
    rb"\x00\x00[\x01\x02]\x00": "an icon or cursor file",
    rb"MM\x00\x2b": "a big-endian BigTIFF image",
    rb"8BPS": "a Photoshop file",
    rb"P[1-7]\s": "a PNM image",
    rb"%PDF": "a PDF document",
    rb"PK\x03\x04": "a ZIP archive",
    rb"\x1f\x8b": "gzip-compressed data",
    rb"data:": "a data: URI; send the decoded bytes",
    rb"/9j/|iVBORw0KGgo|UklGR|R0lGOD": "base64 text; send the decoded bytes",
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg": "an SVG drawing",
    rb"(\xef\xbb\xbf)?\s*<": "an HTML or XML page",
    rb"https?://|file://": "a URL; send the bytes of the file",
    rb"[\t\n\r\x20-\x7e]{16}|[\t\n\r\x20-\x7e]+\Z": "text",
}


def sniff(data: bytes) -> str:
    """Return Pillow's name of the format of `data`: JPEG, PNG, WEBP, GIF, BMP or TIFF.

    Raises InvalidRequest for anything else, saying what the bytes look like.
    """
    if not data:
        raise InvalidRequest(FIELD, "0 bytes", FORMATS)
    head = data[:1024]
    if format_name := _match(_ACCEPTED, head):
        return format_name
    looks_like = _match(_REFUSED, head) or f"an unknown kind of file, starting with {head[:8].hex(' ')}"
    size = "1 byte that looks" if len(data) == 1 else f"{len(data):,} bytes that look"
    raise InvalidRequest(FIELD, f"{size} like {looks_like}", FORMATS)


def _match(patterns: dict[bytes, str], head: bytes) -> str | None:
    return next((name for pattern, name in patterns.items() if re.match(pattern, head, re.DOTALL)), None)
