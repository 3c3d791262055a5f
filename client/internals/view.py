"""What the figure of an `Explained` shows: maps from and to the tokens that were asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vitscope.client.pictures.view import MapView, View

if TYPE_CHECKING:
    from vitscope.client.internals.result import Explained

MOST = 12  # maps; of more layers the last ones are shown


def view_of(explained: "Explained") -> View:
    """Return its classes, and a map for each chosen token: rollout, then each layer, the mean of its heads.

    Without chosen tokens, it is what the first token attends to in each layer, if there are matrices.
    """
    maps = [*_rollout(explained), *_layers(explained)]
    classes = tuple((one.label, one.probability, f"{one.probability:.1%}") for one in explained.classes)
    best = f": {classes[0][0]}" if classes else ""
    tokens = explained.tokens
    place = explained.geometry.place(tokens.rows, tokens.cols) if maps else None
    return View(f"{explained.model} v{explained.version}{best}", classes, tuple(maps[-MOST:]), place)


def _rollout(explained: "Explained") -> Iterator[MapView]:
    if explained.rollout is not None:
        for token, row in zip(explained.chosen, explained.rollout, strict=True):
            yield MapView(f"rollout from {_name(explained, token)}", explained.tokens.grid(row), signed=False)


def _layers(explained: "Explained") -> Iterator[MapView]:
    chosen, found = explained.chosen, [("from", explained.rows), ("to", explained.columns)]
    if not chosen and explained.matrices is not None:
        chosen, found = (0,), [("from", explained.matrices[:, :, :1])]
    for direction, arrays in found:
        if arrays is None:
            continue
        for layer, heads in zip(explained.layers, arrays.mean(axis=1), strict=True):
            for token, row in zip(chosen, heads, strict=True):
                title = f"layer {layer}, {direction} {_name(explained, token)}"
                yield MapView(title, explained.tokens.grid(row), signed=False)


def _name(explained: "Explained", token: int) -> str:
    patch = explained.tokens.patch(token)
    if patch is not None:
        return f"patch {patch[0]}, {patch[1]}"
    return "the class token" if token < explained.tokens.cls else f"token {token}"
