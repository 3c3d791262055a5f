"""The user's own images, as a model takes them."""

from pathlib import Path

import numpy as np

from vitscope.bundle import Manifest
from vitscope.image_files import SUFFIXES, is_image_name
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import prepare_encoded

HELP = "hold engines to these images (folder, searched at every depth; at most 256 are used) instead of made-up ones"
# Fewer say little about an engine; more take long on the processor, where the reference runs.
_FEWEST, _MOST = 8, 256


class UnusableImages(ValueError):
    """The folder cannot be used; the message names what is wrong with it."""


def read_images(folder: Path, manifest: Manifest) -> np.ndarray:
    """Read the images in a folder as the server would: uint8 [M, H, W, 3], M from 8 to 256.

    Of more than 256 it takes the first, the last and those at even distances between them, by name. Raises
    UnusableImages where there is no such folder, where it has fewer than 8 images, and for files that cannot be
    decoded, all named.
    """
    if not folder.is_dir():
        raise UnusableImages(f"--images {folder}: no such folder")
    found = sorted(path for path in folder.rglob("*") if _is_image(path))
    if len(found) < _FEWEST:
        kinds = ", ".join(SUFFIXES)
        raise UnusableImages(f"--images {folder}: {len(found)} images; accepted: at least {_FEWEST} ({kinds})")
    chosen = [found[index] for index in np.linspace(0, len(found) - 1, min(len(found), _MOST)).round().astype(int)]
    prepared, broken = list[np.ndarray](), list[str]()
    for path in chosen:
        try:
            data = path.read_bytes()
            prepared.append(prepare_encoded(data, manifest.input, manifest.tokens, ImageLimits(), False).pixels)
        except (OSError, InvalidRequest) as error:
            broken.append(f"{path}: {error}")
    if broken:
        raise UnusableImages(
            f"--images {folder}: {len(broken)} of {len(chosen)} images cannot be used:\n" + "\n".join(broken)
        )
    return np.stack(prepared)


def _is_image(path: Path) -> bool:
    return is_image_name(path) and path.is_file() and not path.name.startswith(".")
