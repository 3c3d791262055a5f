"""Where the pictures of maps are written."""

import os
import tempfile
from pathlib import Path

from vitscope.client.inputs import Source
from vitscope.client.result import AttentionMap, Result
from vitscope.image_files import is_image_name

SUFFIX = ".png"


class OverlayWriter:
    """Writes to the file `out`, or into the folder `out` `into_folder`. One map an image is named after the image; with
    several, layer and head are in the name. No file is written twice in one run."""

    def __init__(self, out: Path, into_folder: bool) -> None:
        self._out, self._into_folder = out, into_folder
        self._taken: set[Path] = set()

    def write(self, source: Source, result: Result) -> list[Path]:
        """The files written, in the order of the maps. Raises OSError."""
        written = []
        for one in result.maps:
            if one.picture is None:
                continue
            path = self._free(self._path(source, _part(one) if len(result.maps) > 1 else ""))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.picture.data)
            written.append(path)
        return written

    def _path(self, source: Source, part: str) -> Path:
        path = self._out / source.relative if self._into_folder else self._out
        return path.with_name(f"{path.stem}{part}{SUFFIX}")

    def _free(self, path: Path) -> Path:
        free, number = path, 2
        while free in self._taken:
            free, number = path.with_name(f"{path.stem}-{number}{SUFFIX}"), number + 1
        self._taken.add(free)
        return free


def overlay_writer(out: str, images: int) -> OverlayWriter:
    """The writer for `--attention OUT`: a PNG file for one image; a folder for several, when there is one already, or with a
    slash at the end.

    Raises ValueError for what cannot be one or the other, and when nothing can be written there: better now than after the
    images have been classified.
    """
    if not out or "\0" in out:
        raise ValueError(f"--attention: {out!r}; accepted: a {SUFFIX} file for one image, a folder for several")
    path = Path(out)
    into_folder = images > 1 or path.is_dir() or out.endswith(os.sep)
    if not into_folder:
        if path.suffix.lower() not in ("", SUFFIX):
            raise ValueError(
                f"--attention {out}: pictures are PNG files; accepted: a name ending in {SUFFIX}, or a folder"
            )
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
    return OverlayWriter(path, into_folder)


def _part(one: AttentionMap) -> str:
    return f"-layer{one.layer}" if one.head is None else f"-layer{one.layer}-head{one.head}"
