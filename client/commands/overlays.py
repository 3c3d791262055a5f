"""Writing the pictures of maps to files."""

import os
import tempfile
from pathlib import Path

from vitscope.client.commands.inputs import Source
from vitscope.client.result import AttentionMap, Result
from vitscope.image_files import is_image_name
from vitscope.whole_files import write_whole

# The suffix of each format's files, and other names of it that are accepted.
_SUFFIXES = {"png": (".png",), "jpeg": (".jpg", ".jpeg")}


class OverlayWriter:
    """Writes to the file `out` or, with `into_folder`, into the folder `out`, to files named after the images.

    With several maps per image, layer and head are added to the name. No file is written twice in one run. `format` is
    that of the files: "png" or "jpeg".
    """

    def __init__(self, out: Path, into_folder: bool, picture_format: str = "png") -> None:
        self._out, self._into_folder, self.format = out, into_folder, picture_format
        accepted = _SUFFIXES[picture_format]
        keeps_its_own = not into_folder and out.suffix.lower() in accepted
        self._suffix = out.suffix if keeps_its_own else accepted[0]
        self._taken: set[Path] = set()

    def write(self, source: Source, result: Result) -> list[Path]:
        """Write the pictures of one image and return their files, in the order of the maps. Raises OSError."""
        written = []
        for one in result.maps:
            if one.picture is None:
                continue
            path = self._free(self._path(source, _part(one) if len(result.maps) > 1 else ""))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, one.picture.data)
            written.append(path)
        return written

    def _path(self, source: Source, part: str) -> Path:
        path = self._out / source.relative if self._into_folder else self._out
        return path.with_name(f"{path.stem}{part}{self._suffix}")

    def _free(self, path: Path) -> Path:
        free, number = path, 2
        while free in self._taken:
            free, number = path.with_name(f"{path.stem}-{number}{self._suffix}"), number + 1
        self._taken.add(free)
        return free


def overlay_writer(out: str, images: int, picture_format: str | None = None) -> OverlayWriter:
    """Return the writer for `--attention OUT` and `--format`, whose default goes by the name of OUT.

    OUT is a folder when there are several images, when such a folder exists, or with a slash at the end; otherwise it
    is a file. Raises ValueError when OUT cannot be used or written: better now than after classifying the images.
    """
    if not out or "\0" in out:
        raise ValueError(f"--attention: {out!r}; accepted: a picture file for one image, a folder for several")
    path = Path(out)
    into_folder = images > 1 or path.is_dir() or out.endswith(os.sep)
    if not into_folder:
        picture_format = _format(path, picture_format)
    elif path.exists() and not path.is_dir():
        raise ValueError(f"--attention {out}: a file; accepted: a folder, for {images:,} images")
    elif is_image_name(path) and not path.is_dir() and not out.endswith(os.sep):
        raise ValueError(f"--attention {out}: named like a file; accepted: a folder, for {images:,} images")
    folder = path if into_folder else path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"--attention {out}: cannot be written: {folder}: {error.strerror}") from error
    return OverlayWriter(path, into_folder, picture_format or "png")


def _format(path: Path, wanted: str | None) -> str:
    """Return the format of the file `path`: by its name, which has to agree with the one that is wanted."""
    suffix = path.suffix.lower()
    named = next((name for name, suffixes in _SUFFIXES.items() if suffix in suffixes), None)
    if suffix and named is None:
        raise ValueError(
            f"--attention {path}: pictures are PNG or JPEG files; accepted: a name ending in .png or .jpg, or a folder"
        )
    if wanted and named and wanted != named:
        raise ValueError(
            f"--attention {path}: named like a {named} file; accepted with --format {wanted}: another name"
        )
    return wanted or named or "png"


def _part(one: AttentionMap) -> str:
    if one.evidence is not None:
        versus = f"-versus{one.evidence.versus.index}" if one.evidence.versus else ""
        return f"-class{one.evidence.explained.index}{versus}"
    return f"-layer{one.layer}" if one.head is None else f"-layer{one.layer}-head{one.head}"
