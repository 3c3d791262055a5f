"""Files that were written out as text: base64, hexadecimal, numbers, or as a program prints an object."""

import base64
import binascii
import re
from collections.abc import Callable

# Before the text of a file: a byte order mark, spaces, quotes, and what a language puts before the quotes.
_LEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:bytes|bytearray)?[(\s]*(?:[bB](?=[\"']))?[\"'`]*\s*")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\s-]{24,}+={0,2}[\s\"'`)]*(?:\Z|[,;}\]])|[A-Za-z0-9+/_\s-]{64,}")
_HEX = re.compile(rb"(?:(?:0x|\\x|%|:|,|\s)*[0-9A-Fa-f]{2}){8,}")
_NUMBERS = re.compile(
    rb"(?:array|Uint8Array)?[(\[\s]*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\s*[,\s]\s*(\d{1,3})\b"
)
_OBJECT = re.compile(rb"\s*(\[object [A-Za-z]+\]|<[\w. ]+ (object )?at 0x[0-9a-fA-F]+>|<_io\.)")


def name_written(head: bytes, name: Callable[[bytes], str | None]) -> str | None:
    """Return how a file was written out as text, by its first bytes; None for anything else.

    name: gives the name of the format of the bytes that the text stands for; text of no known format is just text.
    """
    if found := _OBJECT.match(head):
        return f"the text that a program prints for an object ({found[1][:24].decode('ascii', 'replace')})"
    start = _LEAD.match(head)
    text = head[start.end() :] if start else head
    literal = start is not None and bool(re.search(rb"[bB][\"']", start[0]))
    if literal or b"\\x" in text[:32]:
        decoded = _unescape(text[:200])
        if kind := name(decoded):
            return f"{kind} as the text of a bytes literal (repr or str of bytes)"
    if text[:5].lower() == b"data:":
        return "a data: URI"
    if numbers := _NUMBERS.search(text[:200]):
        values = [int(digits) for digits in numbers.groups()]
        if max(values) < 256 and (kind := name(_numbers(text[numbers.start() :]))):
            return f"{kind} as a list of numbers"
    if text[:6] == b"begin " and re.match(rb"begin [0-7]{3} ", text):
        return "a uuencoded file"
    if re.match(rb"(?:%[0-9A-Fa-f]{2}|=[0-9A-F]{2}|=\r?\n|[!-~]){4}", text) and re.search(
        rb"[=%][0-9A-F]{2}", text[:16]
    ):
        how = "percent-encoded" if b"%" in text[:16] else "quoted-printable"
        if kind := name(_escaped(text)):
            return f"{kind} as {how} text"
    if _HEX.match(text) and (kind := name(_hex(text))):
        return f"{kind} as hexadecimal text"
    if _BASE64.match(text) and (kind := name(_base64(text))):
        return f"{kind} as base64 text"
    return None


def _unescape(text: bytes) -> bytes:
    pairs = re.findall(rb"\\x([0-9a-fA-F]{2})|\\([rnt0\\'\"])|([^\\])", text)
    names = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}
    return b"".join(
        bytes([int(code, 16)]) if code else names.get(short, short) or plain for code, short, plain in pairs
    )


def _numbers(text: bytes) -> bytes:
    return bytes(value for digits in re.findall(rb"\d+", text[:400]) if (value := int(digits[:4])) < 256)


def _hex(text: bytes) -> bytes:
    digits = re.sub(rb"0x|[^0-9A-Fa-f]", b"", text[:200])
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))


def _escaped(text: bytes) -> bytes:
    joined = re.sub(rb"=\r?\n", b"", text[:400])
    return re.sub(rb"[=%]([0-9A-Fa-f]{2})", lambda pair: bytes([int(pair[1], 16)]), joined)


def _base64(text: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/_-]", b"", text[:400]).translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(letters[: len(letters) // 4 * 4])
    except binascii.Error:  # letters of another alphabet were dropped
        return b""
