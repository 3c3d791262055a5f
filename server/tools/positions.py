"""`vitscope positions`: draw what a bundle's position embeddings tell patches apart by. Needs no server."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vitscope.bundle import Bundle, BundleError, PatchEmbedding, open_bundle
from vitscope.drawing import Drawing, caption, column, save, sheet
from vitscope.drawing.board import biases, position_board, similarities
from vitscope.help import Help
from vitscope.picture_options import add_out_option, add_patch_option, check_patch

OK, USAGE = 0, 2

_TABLE = {
    "table": "A vector of weights is added to each patch. Alike vectors let the model treat places as neighbours.",
    "sine": "A vector of sines and cosines of row and column is added to each patch.",
}
_ROPE = (
    "Queries and keys are turned by angles that grow with row and column (RoPE), so that their product depends on the "
    "distance; no table is added. Shown is the mean cosine of the angles between two places."
)
_RELATIVE = (
    "What is added to the score of a query and a key, by how far the key is from the query (outlined): right of it, "
    "left of it, above and below. It is that of the first block, by head."
)


class NothingToDraw(Exception):
    """The model has no positions, or the bundle does not say."""


def main(argv: Sequence[str]) -> int:
    """Return 0: drawn; 2: a wrong option, an unusable bundle, or one without positions."""
    parser = argparse.ArgumentParser(
        prog="vitscope positions",
        description="Draw the position embeddings of a bundle: for each position how alike it is to all others.",
        formatter_class=Help,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="<models>/<name>/<version>")
    add_patch_option(parser, "position to enlarge (default: the middle one)")
    add_out_option(parser, "positions.png")
    arguments = parser.parse_args(argv)
    try:
        bundle = open_bundle(arguments.bundle)
        save(draw(bundle, arguments.patch), arguments.out)
    except (BundleError, NothingToDraw, ValueError) as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"--out {arguments.out}: {error.strerror}")
    print(arguments.out)
    return OK


def draw(bundle: Bundle, chosen: tuple[int, int] | None = None) -> Drawing:
    """Draw whatever the model has. chosen: row and column of the position to enlarge, or the middle one.

    Raises NothingToDraw for a model without positions, BundleError for a bundle without their arrays, and ValueError
    for a position outside the grid.
    """
    embedding, manifest = bundle.embedding(), bundle.manifest
    check_patch(chosen, embedding.grid)
    chosen = chosen or (embedding.grid[0] // 2, embedding.grid[1] // 2)
    parts = list(_parts(embedding, chosen))
    if not parts:
        raise NothingToDraw(f"{bundle.path}: {_why_not(embedding)}")
    rows, cols = embedding.grid
    size = f"{manifest.input.width} × {manifest.input.height} pixels"
    return sheet(
        column(*parts, gap=30),
        f"Position embeddings of {manifest.name} v{manifest.version}",
        f"{cols} × {rows} patches of an input of {size}; family {manifest.family}",
        "It shows how the model tells places apart, not what it does with them.",
    )


def _parts(embedding: PatchEmbedding, chosen: tuple[int, int]) -> list[Drawing]:
    found, grid = [], embedding.grid
    if (table := embedding.patch_positions) is not None:
        kinds = embedding.kinds or ("table",)
        picture = position_board(similarities(table), "cosine similarity", chosen, _class_token(embedding, table))
        found.append(_explained(_TABLE["sine" if "sine" in kinds else "table"], picture))
    if embedding.rope is not None:
        turned = similarities(embedding.rope.reshape(*grid, -1))
        found.append(_explained(_ROPE, position_board(turned, "mean cosine of the angles between two places", chosen)))
    if embedding.relative_bias is not None:
        found.append(_explained(_RELATIVE, biases(embedding.relative_bias, "added to the score, before the softmax")))
    return found


def _explained(text: str, picture: Drawing) -> Drawing:
    return column(caption(text, max(picture.width, 300)), picture, gap=12)


def _class_token(embedding: PatchEmbedding, table: np.ndarray) -> np.ndarray | None:
    """Return how alike the class token's position is to those of patches, [rows, cols]; None if it has none."""
    own = embedding.prefix_positions
    if own is None or not len(own) or not own[0].any():
        return None
    lengths = np.maximum(np.linalg.norm(table, axis=-1) * np.linalg.norm(own[0]), 1e-12)
    alike: np.ndarray = table @ own[0] / lengths
    return alike


def _why_not(embedding: PatchEmbedding) -> str:
    if embedding.kinds == ():
        return "this model has no positions: nothing tells it where in the image a patch was, so there is no picture"
    return "it was exported before positions other than tables were kept; export the checkpoint again to have them"


def _failed(reason: str) -> int:
    print(f"vitscope positions: {reason}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
