"""Find the images that the arguments of `vitscope classify` name."""

import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vitscope.client.request import MAX_IMAGE_BYTES
from vitscope.image_files import SUFFIXES, is_image_name

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """One image: its name in the output, its path or bytes, and the path of its overlay below the output folder."""

    name: str
    image: Path | bytes
    relative: Path


def find_sources(arguments: Iterable[str]) -> list[Source]:
    """Return the images of files, folders (recursive), patterns not expanded by the shell, and "-" (standard input).

    The images of a folder or pattern are sorted. A file that does not exist is returned too, and fails when it is read.
    Raises ValueError for a folder or pattern without images and for standard input given twice, and OSError when
    standard input cannot be read.
    """
    arguments = list(arguments)
    if arguments.count(STDIN) > 1:
        raise ValueError(f"{STDIN}: given {arguments.count(STDIN)} times; accepted: once, standard input is one image")
    return [source for argument in arguments for source in _expand(argument)]


def _expand(argument: str) -> Iterator[Source]:
    path = Path(argument)
    if argument == STDIN:
        if sys.stdin is None:
            raise ValueError(f"{STDIN}: standard input is closed")
        # One byte above the limit is enough for the request to be refused as too large.
        yield Source("stdin", sys.stdin.buffer.read(MAX_IMAGE_BYTES + 1), Path("stdin"))
    elif path.is_dir():
        yield from _folder(path)
    elif not path.exists() and glob.has_magic(argument):
        # Path.glob accepts no absolute patterns.
        found = [Path(name) for name in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
        files = [file for file in found if file.is_file()]
        if not files:
            raise ValueError(f"{argument}: matches no file")
        yield from (Source(str(file), file, Path(file.name)) for file in files)
    else:
        yield Source(argument, path, Path(path.name))


def _folder(folder: Path) -> Iterator[Source]:
    files = sorted(file for file in folder.rglob("*") if is_image_name(file) and file.is_file())
    if not files:
        raise ValueError(f"{folder}: no images in this folder; looked for {', '.join(SUFFIXES)}")
    yield from (Source(str(file), file, file.relative_to(folder)) for file in files)
