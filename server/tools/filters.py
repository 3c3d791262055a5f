"""`vitscope filters`: draw a bundle's patch embedding, and what it makes of one patch of a photo. Needs no server."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitscope.bundle import Bundle, BundleError, open_bundle
from vitscope.drawing import Drawing, Place, column, photo, row, save, sheet, titled
from vitscope.drawing.filters import dot_products, filter_sheet
from vitscope.drawing.principal import principal_filters
from vitscope.help import Help
from vitscope.picture_options import add_out_option, add_patch_option, check_patch
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded

OK, USAGE = 0, 2


def main(argv: Sequence[str]) -> int:
    """Return 0: drawn; 2: a wrong option, an unusable bundle or photo."""
    parser = argparse.ArgumentParser(
        prog="vitscope filters",
        description="Draw the patch embedding of a bundle: its principal filters, by singular value decomposition. "
        "With a photo also one of its patches, and the dot product of that patch with every filter.",
        formatter_class=Help,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="<models>/<name>/<version>")
    parser.add_argument("photo", type=Path, nargs="?", metavar="PHOTO", help="image file, prepared as the server does")
    add_patch_option(parser, "patch of the photo (default: the middle one)")
    add_out_option(parser, "filters.png")
    arguments = parser.parse_args(argv)
    if arguments.patch is not None and arguments.photo is None:
        parser.error("--patch says which patch of a photo; add PHOTO")
    try:
        bundle = open_bundle(arguments.bundle)
        prepared = prepare(bundle, arguments.photo) if arguments.photo else None
        save(draw(bundle, prepared, arguments.patch), arguments.out)
    except (BundleError, ValueError) as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.filename or arguments.out}: {error.strerror}")
    print(arguments.out)
    return OK


def prepare(bundle: Bundle, path: Path) -> Prepared:
    """Fit a photo to the model as the server does. Raises ValueError for what is no photo, OSError for no file."""
    try:
        data = path.read_bytes()
        return prepare_encoded(data, bundle.manifest.input, bundle.manifest.tokens, ImageLimits(), keep_photo=True)
    except InvalidRequest as error:
        raise ValueError(f"{path}: {error}") from error


def draw(bundle: Bundle, prepared: Prepared | None = None, chosen: tuple[int, int] | None = None) -> Drawing:
    """Draw the filters, and what they make of a patch: the chosen (row, column), or the one in the middle.

    Raises BundleError for a bundle without the arrays, ValueError for a patch outside the grid.
    """
    embedding, manifest = bundle.embedding(), bundle.manifest
    count, _, height, width = embedding.kernel.shape
    parts = [filter_sheet(principal_filters(embedding.kernel))]
    if prepared is not None and prepared.photo is not None:
        check_patch(chosen, embedding.grid)
        at = chosen or (embedding.grid[0] // 2, embedding.grid[1] // 2)
        parts.append(_of_patch(bundle, prepared, at))
    steps = f", {embedding.stride[1]} × {embedding.stride[0]} apart" if embedding.stride != (height, width) else ""
    return sheet(
        column(*parts, gap=30),
        f"Patch embedding of {manifest.name} v{manifest.version}",
        f"A convolution: {count} filters of {width} × {height} pixels and 3 colours{steps}. Each gives one number of a "
        "patch's token.",
        "Grey is zero in a filter. A principal filter is none of the model's own, but a direction that these share.",
    )


def _of_patch(bundle: Bundle, prepared: Prepared, at: tuple[int, int]) -> Drawing:
    embedding, geometry = bundle.embedding(), prepared.geometry
    assert prepared.photo is not None
    (height, width), (down, right) = embedding.kernel.shape[2:], embedding.stride
    top, left = at[0] * down - embedding.padding[0], at[1] * right - embedding.padding[1]
    seen = prepared.pixels[max(top, 0) : top + height, max(left, 0) : left + width]
    products = dot_products(embedding.embed(prepared.pixels, *at), embedding.kernel, seen)
    # The grid of the first patches: where blocks merge patches, it is finer than that of the maps.
    scale = [right / geometry.patch_width, down / geometry.patch_height]
    matrix = _matrix(geometry.grid_to_image, scale)
    place = Place((geometry.image_width, geometry.image_height), matrix, embedding.grid, geometry.seen)
    shown = titled(f"Row {at[0]}, column {at[1]}", photo(prepared.photo, place, 240, marks=[at]))
    return row(shown, products)


def _matrix(affine: tuple[float, ...], scale: Sequence[float]) -> np.ndarray:
    m = np.array(affine, np.float64).reshape(2, 3)
    return m * (scale[0], scale[1], 1.0)


def _failed(reason: str) -> int:
    print(f"vitscope filters: {reason}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
