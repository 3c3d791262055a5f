"""The comments of the protos, which say what each field means. The .proto files are installed beside the stubs."""

import re
from functools import cache
from pathlib import Path

from vitscope.v1 import classifier_pb2

_OPENS = re.compile(r"(?:message|enum|service|oneof) (\w+) \{")
_NAMES = re.compile(r"(?:rpc (\w+)|(?:repeated |optional |map<[^>]*> )?(?:[\w.]+ )?(\w+) = \d+)")


@cache
def comments() -> dict[str, str]:
    """Return the comment of each message, enum, field, value and method, by full name."""
    found: dict[str, str] = {}
    for path in sorted(Path(classifier_pb2.__file__).parent.glob("*.proto")):
        found |= _read(path.read_text())
    return found


def _read(source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    around: list[str] = []
    comment: list[str] = []
    package = ""
    for line in map(str.strip, source.splitlines()):
        if line.startswith("//"):
            comment.append(line.removeprefix("//").removeprefix(" "))
            continue
        if line.startswith("package "):
            package = line.removeprefix("package ").rstrip(";")
        elif opened := _OPENS.match(line):
            # The fields of a oneof are fields of its message.
            around.append("" if line.startswith("oneof") else opened[1])
            _keep(found, [package, *around], comment)
            if line.endswith("}"):
                around.pop()
        elif line == "}":
            around.pop()
        elif named := _NAMES.match(line):
            _keep(found, [package, *around, named[1] or named[2]], comment)
        comment = []
    return found


def _keep(found: dict[str, str], names: list[str], comment: list[str]) -> None:
    if comment:
        found.setdefault(".".join(filter(None, names)), _joined(comment))


def _joined(lines: list[str]) -> str:
    """Return lines as paragraphs. Those that are indented stay lines of their own."""
    return re.sub(r"\n(?![\n ])", " ", "\n".join(lines)).replace("\n ", "\n").strip()
