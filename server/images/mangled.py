"""Image files that were read or sent as text on their way, which destroys them: the commonest bug of web clients."""

import codecs
import re
from collections.abc import Callable
from typing import Final

from vitscope.server.errors import InvalidRequest

HOW_TO_SEND: Final = "as bytes from end to end (open(path, 'rb'), response.content, arrayBuffer()), never through text"

_REPLACED = rb"(?:\xef\xbf\xbd)"  # U+FFFD, which a decoder writes for bytes that are no UTF-8
# What is left of the first bytes of a JPEG and of a PNG, where the way back is lost.
_REMAINS = {
    rb"%b{3,4}\s?" % _REPLACED: ("JPEG", "UTF-8"),
    rb"(?:\xe2\x80\xb0|%b)PNG" % _REPLACED: ("PNG", "UTF-8"),
    rb"\xed\xb3\xbf\xed\xb3\x98\xed\xb3\xbf": ("JPEG", "UTF-8"),  # surrogateescape
    rb"\xed\xb2\x89PNG": ("PNG", "UTF-8"),
    rb"(?:\xff\xfe)?(?:\xfd\xff){3}|(?:\xfe\xff)?(?:\xff\xfd){3}": ("JPEG", "UTF-16"),
    rb"(?:\xff\xfe)?\xfd\xffP\x00N\x00G|(?:\xfe\xff)?\xff\xfd\x00P\x00N\x00G": ("PNG", "UTF-16"),
    rb"[?\x09]?PNG(?:\r\n|\n|\r\r\n)\x1a": ("PNG", "ASCII"),
    rb"(?:\?{3,4}|\x7fX\x7f.)?\x00\x10JFIF\x00": ("JPEG", "ASCII"),
}
# Which changes a PNG's signature is made to detect.
_LINE_ENDS = re.compile(rb"\x89PNG(?!\r\n\x1a\n)[\r\n]")
# So many letters beyond ASCII, and no byte that is not part of one: no image file is valid UTF-8 by chance.
_LETTERS = 12
# So many line feeds, each behind a carriage return, are in no compressed data either.
_LINES = 8
_SAMPLE = 2**16


def name_mangled(head: bytes, name: Callable[[bytes], str | None]) -> str | None:
    """Return what became of an image file that was treated as text, by its first bytes; None for anything else.

    name: gives the name of the format of the bytes as they were before.
    """
    if _LINE_ENDS.match(head):
        return "a PNG file whose line ends were changed, as in a text-mode transfer"
    text = head.removeprefix(b"\xef\xbb\xbf")
    for pattern, (kind, encoding) in _REMAINS.items():
        if re.match(pattern, text, re.DOTALL):
            return _destroyed(f"a {kind} file", encoding)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        before = _undo(head[:256], encoding)
        known = name(before) or name(_undo(before, "utf-8") or b"") if before else None
        if known:
            return _destroyed(known, encoding.upper().removesuffix("-LE").removesuffix("-BE"))
    return None


def changed_line_ends(data: bytes) -> bool:
    """Return whether each line feed near the end of a compressed file stands behind a carriage return."""
    tail = data[-_SAMPLE:]
    lines = tail.count(b"\n")
    return lines >= _LINES and tail.count(b"\r\n") == lines


def explain(error: InvalidRequest, data: bytes, formats: str) -> InvalidRequest:
    """Return the error about a file, or a better one where it was text on its way. formats: those that are accepted."""
    if is_text(data):
        how = "all of it is UTF-8, so that it was converted to text on its way, which destroyed it"
    elif changed_line_ends(data):
        how = "each line feed in it is behind a carriage return, as after a text-mode transfer"
    else:
        return error
    return InvalidRequest(error.field, f"{error.found}; {how}", f"{formats}, {HOW_TO_SEND}")


def _destroyed(kind: str, encoding: str) -> str:
    return f"{kind} that was converted to {encoding} text, which destroyed it"


def _undo(head: bytes, encoding: str) -> bytes | None:
    """Return the bytes that were read as Latin-1 and written in `encoding`; None where they were not."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head).lstrip("\ufeff")
    except UnicodeDecodeError:
        return None
    known = all(letter < "\u0100" or letter == "\ufffd" for letter in text[:16])
    changed = encoding != "utf-8" or not text.isascii()
    return text.encode("latin-1", "replace") if known and changed else None


def is_text(data: bytes) -> bool:
    """Return whether the first bytes of a binary file are UTF-8 with many letters beyond ASCII."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data[:_SAMPLE])  # which may cut a letter in two
    except UnicodeDecodeError:
        return False
    return sum(letter > "\x7f" for letter in text) >= _LETTERS
