"""How patches become tokens: the patch embedding, prefix tokens and positions of explain.npz, in numpy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitscope.bundle.errors import BundleError
from vitscope.bundle.manifest import InputContract, PositionKind, TokenGeometry


@dataclass(frozen=True, eq=False)
class PatchEmbedding:
    """A convolution over normalised pixels, and what is added to or put before its outputs. All arrays are float32.

    kernel: [D, 3, h, w]. bias: [D]. stride, padding: in pixels, of rows and columns. grid: rows and columns of patches
    as the convolution gives them, before blocks merge any. prefix_tokens: class token, distillation token and
    registers, [prefix, D]. positions: [positioned prefix tokens + rows * cols, D], as added at the size of the bundle;
    None for a model without a table. rope: [rows * cols, 2 K], sines and then cosines; None for a model that turns
    nothing. relative_bias: [heads, 2 R - 1, 2 C - 1]; None for a model without. kinds: of positions; None in a bundle
    that does not say.
    """

    kernel: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    grid: tuple[int, int]
    prefix_tokens: np.ndarray
    positions: np.ndarray | None
    rope: np.ndarray | None
    relative_bias: np.ndarray | None
    kinds: tuple[PositionKind, ...] | None
    contract: InputContract

    @property
    def patch_positions(self) -> np.ndarray | None:
        """The table's rows of patches, [rows, cols, D]."""
        if self.positions is None:
            return None
        rows, cols = self.grid
        return self.positions[len(self.positions) - rows * cols :].reshape(rows, cols, -1)

    @property
    def prefix_positions(self) -> np.ndarray | None:
        """The table's rows of class and distillation token, [0, 1 or 2, D]; zeros for a token that gets none."""
        if self.positions is None:
            return None
        return self.positions[: len(self.positions) - self.grid[0] * self.grid[1]]

    def normalised(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the convolution reads, float32 [3, H, W], of the model's input uint8 [H, W, 3]."""
        scaled = pixels.astype(np.float32) * self.contract.rescale
        values = (scaled - np.array(self.contract.mean, np.float32)) / np.array(self.contract.std, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)

    def window(self, pixels: np.ndarray, row: int, col: int) -> np.ndarray:
        """Return the normalised pixels that one patch is computed from, float32 [3, h, w].

        pixels: uint8 [H, W, 3]. Raises IndexError for a patch outside the grid.
        """
        rows, cols = self.grid
        if not (0 <= row < rows and 0 <= col < cols):
            raise IndexError(f"patch {row},{col}; accepted: rows 0 to {rows - 1}, columns 0 to {cols - 1}")
        values = self.normalised(pixels)
        (down, right), (height, width) = self.padding, self.kernel.shape[2:]
        values = np.pad(values, ((0, 0), (down, down), (right, right)))
        top, left = row * self.stride[0], col * self.stride[1]
        return values[:, top : top + height, left : left + width]

    def embed(self, pixels: np.ndarray, row: int, col: int) -> np.ndarray:
        """Return the D dot products of one patch with the kernel, bias added, before any position is.

        Takes and raises what `window` does.
        """
        products = self.kernel.reshape(len(self.kernel), -1) @ self.window(pixels, row, col).ravel()
        return np.asarray(products + self.bias, np.float32)


def patch_embedding(
    arrays: Mapping[str, np.ndarray],
    contract: InputContract,
    tokens: TokenGeometry,
    kinds: tuple[PositionKind, ...] | None,
) -> PatchEmbedding:
    """Put the arrays of explain.npz together, with what the manifest says.

    Raises KeyError for an array that is missing, BundleError for one of a wrong shape.
    """
    kernel = arrays["patch_kernel"]
    # A bundle that does not say is from when all but Hiera cut patches side by side.
    stride = arrays.get("patch_stride", kernel.shape[2:])
    padding = arrays.get("patch_padding", (0, 0))
    size = (contract.height, contract.width)
    rows, cols = (
        (side + 2 * int(zeros) - length) // int(step) + 1
        for side, zeros, length, step in zip(size, padding, kernel.shape[2:], stride, strict=True)
    )
    named = [arrays[name].reshape(-1, len(kernel)) for name in ("cls_token", "distillation_token", "register_tokens")
             if name in arrays]  # fmt: skip
    positions = arrays.get("position_embeddings")
    if positions is not None and len(positions) - rows * cols not in range(tokens.prefix + 1):
        raise BundleError(
            f"explain.npz: position_embeddings has {len(positions)} rows; expected {rows * cols} of patches and up to "
            f"{tokens.prefix} more"
        )
    return PatchEmbedding(
        kernel=kernel,
        bias=arrays["patch_bias"],
        stride=(int(stride[0]), int(stride[1])),
        padding=(int(padding[0]), int(padding[1])),
        grid=(rows, cols),
        prefix_tokens=np.concatenate(named) if named else np.zeros((0, len(kernel)), np.float32),
        positions=positions,
        rope=arrays.get("rope"),
        relative_bias=arrays.get("relative_bias"),
        kinds=kinds,
        contract=contract,
    )
