"""What `explain` returns, in plain Python and numpy."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitscope.client.errors import InvalidRequest
from vitscope.client.result import Class, Geometry, Timing
from vitscope.v1 import explain_pb2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vitscope.client.request import ImageLike

Array = NDArray[np.float32]

PARTS_OF_HEADS = ("matrices", "rows", "columns", "queries", "keys", "values")


@dataclass(frozen=True)
class TokenLayout:
    """The token sequence: class token, distillation token, registers, then the patches, row by row."""

    count: int
    """All tokens."""
    cls: int
    """Class tokens: 0 or 1."""
    distillation: int
    """Distillation tokens: 0 or 1."""
    registers: int
    """Registers."""
    rows: int
    """Rows of patches."""
    cols: int
    """Columns of patches."""

    @property
    def prefix(self) -> int:
        """Tokens before the first patch."""
        return self.cls + self.distillation + self.registers

    def index(self, row: int, col: int) -> int:
        """Return the index of a patch in the sequence. Raises IndexError."""
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(
                f"row {row}, column {col}; accepted: row 0 to {self.rows - 1}, column 0 to {self.cols - 1}"
            )
        return self.prefix + row * self.cols + col

    def patch(self, index: int) -> tuple[int, int] | None:
        """Return row and column of a token; None for one before the patches. Raises IndexError."""
        if not 0 <= index < self.count:
            raise IndexError(f"token {index}; accepted: 0 to {self.count - 1}")
        return None if index < self.prefix else divmod(index - self.prefix, self.cols)

    def grid(self, values: Array) -> Array:
        """Return the values of the patches as [..., rows, cols], given those of all tokens [..., count]."""
        return values[..., self.prefix :].reshape(*values.shape[:-1], self.rows, self.cols)


@dataclass(frozen=True)
class Explained:
    """What is inside of the encoder for one image. T: tokens. d: width of a head. What was not asked for is None.

    All arrays are float32. Those of layers and heads begin with the axes of `layers` and `heads`, in that order.
    """

    classes: tuple[Class, ...]
    """The classes with the highest scores, as in `Result`."""
    geometry: Geometry
    """Position of the grid of patches on the image."""
    tokens: TokenLayout
    """Which token is what."""
    timing: Timing
    """Where the server spent its time, the sending not included."""
    model: str
    """Name of the model that answered."""
    version: int
    """Version of the model that answered."""
    layers: tuple[int, ...]
    """Layers of the arrays that have an axis of layers, from 0, ascending."""
    heads: tuple[int, ...]
    """Heads of these, from 0, ascending."""
    chosen: tuple[int, ...]
    """Tokens of `rows`, `columns` and `rollout`, by index."""
    lens_classes: tuple[int, ...]
    """Classes of `lens`, by index."""
    matrices: Array | None
    """Attention [layers, heads, T, T]: row i is what token i attends to, and sums to 1."""
    rows: Array | None
    """What the chosen tokens attend to: [layers, heads, chosen, T]."""
    columns: Array | None
    """Who attends to the chosen tokens: [layers, heads, chosen, T]."""
    queries: Array | None
    """Queries [layers, heads, T, d]; matrices are softmax(queries @ keys^T / sqrt(d)), but for position biases."""
    keys: Array | None
    """Keys [layers, heads, T, d]."""
    values: Array | None
    """Values [layers, heads, T, d]."""
    token_norms: Array | None
    """L2 norm of each token before the first layer of the model and after each: [layers of the model + 1, T]."""
    lens: Array | None
    """Logits of `lens_classes` if the head read each of these: [layers of the model + 1, T, classes]."""
    rollout: Array | None
    """Attention rollout from the chosen tokens: [chosen, T]; rows sum to 1."""
    updates: Array | None
    """L2 norm of what attention and then the MLP of each layer add to each token: [layers of the model, 2, T]."""
    header: explain_pb2.ExplainHeader = field(repr=False, compare=False)
    """The first message as received."""

    def plot(self, photo: "ImageLike | None" = None) -> "Figure":
        """Return a figure of matplotlib with the classes and the attention of the chosen tokens, over `photo` if given.

        Shown are rollout and the mean over heads of each layer, 12 maps at most; without chosen tokens, what the first
        token attends to, of the matrices. `photo` is the image that was explained. Raises ModuleNotFoundError without
        matplotlib (the extra `plot`), and InvalidImage for an image that cannot be read here or has another shape.
        """
        # Who only reads numbers loads none of it.
        from vitscope.client.internals.view import view_of
        from vitscope.client.pictures.photo import read_photo
        from vitscope.client.pictures.plot import figure_of

        image = None if photo is None else read_photo(photo, self.geometry.image_size)
        return figure_of(view_of(self), image)

    def at(self, layer: int, head: int, part: str = "matrices") -> Array:
        """Return one part of one layer and head. Raises InvalidRequest for what was not asked for."""
        array: Array | None = getattr(self, part) if part in PARTS_OF_HEADS else None
        if array is None:
            raise InvalidRequest(f"part: {part!r}; accepted: one that was asked for, of {', '.join(PARTS_OF_HEADS)}")
        for name, number, there in (("layer", layer, self.layers), ("head", head, self.heads)):
            if number not in there:
                raise InvalidRequest(f"{name}: {number}; accepted: {', '.join(map(str, there))}")
        found: Array = array[self.layers.index(layer), self.heads.index(head)]
        return found
