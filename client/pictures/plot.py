"""Figures of matplotlib, which is optional: the extra `plot`."""

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vitscope.client.pictures.view import MapView, View
from vitscope.drawing import Scale, overlay, paint
from vitscope.drawing.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS, _SIDE = 4, 2.9  # panels in a row, and inches of each
_PIXELS = 480.0


def figure_of(view: View, photo: Image.Image | None, interactive: bool = False) -> "Figure":
    """Draw a result: its classes, the photo if there is one, and each map, over the photo or else alone.

    interactive: as one of pyplot's figures, which its `show` opens. Raises ModuleNotFoundError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "plot() and show() need matplotlib, which is not installed: pip install 'vitscope[plot]'", name=error.name
        ) from error
    panels = 1 + (photo is not None) + len(view.maps)
    across = min(panels, _ACROSS)
    down = -(-panels // across)
    shape: dict[str, Any] = {"figsize": (_SIDE * 1.15 * across, _SIDE * down + 0.4), "layout": "constrained"}
    if interactive:
        from matplotlib import pyplot

        figure = pyplot.figure(**shape)
    else:
        figure = Figure(**shape)
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    # A label may hold a dollar sign, which matplotlib takes for mathematics.
    figure.suptitle(view.title, fontsize=11, parse_math=False)
    _classes(axes[0], view)
    if photo is not None:
        axes[1].imshow(np.asarray(photo))
        axes[1].set_title("the photo", fontsize=9)
    for one, axis in zip(view.maps, axes[1 + (photo is not None) :], strict=False):
        _map(figure, axis, one, view, photo)
    for axis in axes[1:]:
        axis.set_axis_off()
    return figure


def _classes(axis: Any, view: View) -> None:
    shown = view.classes[:10][::-1]
    axis.barh(range(len(shown)), [share for _, share, _ in shown], color="#2166ac")
    axis.set_yticks(range(len(shown)), [label[:24] for label, _, _ in shown], fontsize=8, parse_math=False)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    for at, (_, share, text) in enumerate(shown):
        inside = share > 0.75
        axis.text(
            share - 0.02 if inside else share + 0.02, at, text, va="center", ha="right" if inside else "left",
            fontsize=8, color="white" if inside else "black",
        )  # fmt: skip


def _map(figure: Any, axis: Any, one: MapView, view: View, photo: Image.Image | None) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = view.scale_of(one)
    colours = _colours(scale)
    if photo is not None and view.place is not None:
        axis.imshow(np.asarray(paint(overlay(photo, one.values, view.place, scale, _PIXELS), 1)))
    else:
        axis.imshow(one.values, cmap=colours, vmin=scale.low, vmax=scale.high, interpolation="nearest")
    axis.set_title(one.title, fontsize=9, parse_math=False)
    shades = ScalarMappable(Normalize(scale.low, scale.high), colours)
    bar = figure.colorbar(shades, ax=axis, shrink=0.75, format=lambda value, _: scale.text(value))
    bar.ax.tick_params(labelsize=7)


def _colours(scale: Scale) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(COLOURS[scale.colours] / 255)
