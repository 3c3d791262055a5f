"""Forms: the parts of a multipart/form-data body (RFC 7578), which has been received as a whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vitscope.server.errors import InvalidRequest

# A form of ours has a dozen parts. Every part of an empty body takes time, and there could be a million.
_MOST_PARTS = 64
_LONGEST_HEADERS = 4096
_PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))')
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}", re.ASCII)


@dataclass(slots=True)
class Part:
    """One part. name: of its field. data: its content. is_file: whether it has a file name."""

    name: str
    data: bytes
    is_file: bool

    def value(self) -> str | bytes:
        """Return the text of the part, or the bytes of a file. Raises InvalidRequest for text that is not UTF-8."""
        if self.is_file:
            return self.data
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(self.name, "text that is not UTF-8", "UTF-8") from None


def parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header's value, such as those of `form-data; name="image"; filename="a.jpg"`."""
    found = dict[str, str]()
    for name, text, token in _PARAMETER.findall(header):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", text) if text else token)
    return found


def read_form(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the parts of a body. Raises InvalidRequest for what is no form, or was cut off."""
    boundary = parameters(content_type).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("Content-Type", "multipart/form-data without a boundary", "one of 1 to 70 characters")
    delimiter = b"--" + boundary.encode()
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at == 1:
        raise _broken("its first boundary is missing")
    for _ in range(_MOST_PARTS + 1):
        at += len(delimiter)
        if body.startswith(b"--", at):
            return
        begin = _end_of_line(body, at)
        end = body.find(b"\r\n" + delimiter, begin - 2)
        if end < 0:
            raise _broken("its last boundary is missing, as if it had been cut off")
        yield _part(body, begin, end)
        at = end + 2
    raise InvalidRequest("body", f"a form of more than {_MOST_PARTS} parts", f"up to {_MOST_PARTS}")


def _end_of_line(body: bytes, at: int) -> int:
    """Return where the line after a boundary's begins. The rest of its own may hold blanks."""
    end = body.find(b"\r\n", at, at + 80)
    if end < 0 or body[at:end].strip(b" \t"):
        raise _broken("a boundary does not end its line")
    return end + 2


def _part(body: bytes, begin: int, end: int) -> Part:
    split = body.find(b"\r\n\r\n", begin - 2, min(end, begin + _LONGEST_HEADERS))
    if split < 0:
        raise _broken(f"a part has no headers, or more than {_LONGEST_HEADERS} bytes of them")
    headers = body[begin:split].decode("utf-8", "replace").split("\r\n")
    disposition = next((h for h in headers if h.lower().startswith("content-disposition:")), "")
    kind, _, _ = disposition.partition(":")[2].partition(";")
    found = parameters(disposition)
    if kind.strip().lower() != "form-data" or not found.get("name"):
        raise _broken("a part has no Content-Disposition of form-data with a name")
    return Part(found["name"], body[split + 4 : end], "filename" in found or "filename*" in found)


def _broken(what: str) -> InvalidRequest:
    return InvalidRequest("body", f"a form that cannot be read: {what}", "multipart/form-data (RFC 7578)")
