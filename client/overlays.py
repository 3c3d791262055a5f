"""Where the pictures of maps are written."""

from pathlib import Path

from client.inputs import Source
from client.result import AttentionMap, Result


class OverlayWriter:
    """Writes to the file `out` for one image, into the folder `out` for several. One map an image is named after the image;
    with several, layer and head are in the name. No file is written twice in one run."""

    def __init__(self, out: Path, several: bool) -> None:
        self._out, self._several = out, several
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
        path = self._out / source.relative if self._several else self._out
        return path.with_name(f"{path.stem}{part}.png")

    def _free(self, path: Path) -> Path:
        free, number = path, 2
        while free in self._taken:
            free, number = path.with_name(f"{path.stem}-{number}.png"), number + 1
        self._taken.add(free)
        return free


def _part(one: AttentionMap) -> str:
    return f"-layer{one.layer}" if one.head is None else f"-layer{one.layer}-head{one.head}"
