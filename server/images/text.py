"""Text that is sent where a picture should be: drawings, error pages, addresses."""

import re

# Atomic, so that no text makes the search take long.
_BEFORE = rb"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s+svg[^\[>]*(?:\[.*?\]\s*)?>)*+"
_HTML = rb"(?:!doctype\s+html|html|head|body|title|h1|div|p|center|script)\b"
# Pattern of the first bytes, without a byte order mark -> name, most specific first.
_NAMES = {
    rb"https?://|file://|s3://|gs://|blob:|ftp://": "a URL; send the bytes of the file",
    _BEFORE + rb"<(?:svg:)?svg[\s>/]": "an SVG drawing",
    _BEFORE + rb"<" + _HTML: "an HTML page",
    rb"<[?!a-z]": "an HTML or XML page",
    rb"HTTP/[\d.]+ \d{3}": "a whole HTTP response",
    rb"--[^\r\n]{1,80}\r?\n(?:[\w-]+:[^\n]*\n)*?content-disposition:": "a multipart form; send the file's own part",
    rb"version https://git-lfs": "a Git LFS pointer; fetch the file itself",
    rb"\{\\rtf": "an RTF document",
    rb"\{\s*\"|\[\s*[\[{\"]|\{\s*\}": "JSON",
    rb"[\t\n\r\f\x1b\x20-\x7e]{16}|[\t\n\r\x20-\x7e]+\Z": "text",
}
_COMPILED = {re.compile(pattern, re.DOTALL | re.IGNORECASE): name for pattern, name in _NAMES.items()}
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def to_ascii(head: bytes) -> bytes:
    """Return the first bytes of a text in UTF-8 or UTF-16 as UTF-8, without its byte order mark and leading spaces."""
    coding = _WIDE.get(head[:2])
    if coding is None and len(head) >= 8 and head[1:8:2] == bytes(4) and 0 not in head[:8:2]:
        coding = "utf-16-le"
    if coding is not None:
        head = head[: len(head) // 2 * 2].decode(coding, "replace").encode("utf-8").removeprefix(b"\xef\xbb\xbf")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\"'`")


def name_text(text: bytes) -> str | None:
    """Return what kind of text it is, as `to_ascii` gives it; None for what is no text."""
    return next((name for pattern, name in _COMPILED.items() if text and pattern.match(text)), None)
