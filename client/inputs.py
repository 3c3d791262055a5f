"""From the arguments of `vitscope classify` to images."""

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
    """One image: what to call it, its path or bytes, and where its pictures go below the output folder."""

    name: str
    image: Path | bytes
    relative: Path


def find_sources(arguments: Iterable[str]) -> list[Source]:
    """The images of files, folders (recursive), patterns that the shell left alone, and "-" for standard input.

    Sorted within a folder or pattern. A file that does not exist is still a source, and fails when it is read. Raises
    ValueError for a folder or pattern without images and for standard input named twice, OSError when it cannot be read.
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
        # One byte more than can be sent tells that there is more.
        yield Source("stdin", sys.stdin.buffer.read(MAX_IMAGE_BYTES + 1), Path("stdin"))
    elif path.is_dir():
        yield from _folder(path)
    elif not path.exists() and glob.has_magic(argument):
        # Path.glob takes no absolute patterns.
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
