"""Padding of the exact colour that a letterbox had in training."""

import numpy as np
import torch

from vitscope.bundle import InputContract


class ExactPadding(torch.nn.Module):
    """Replace the whole grey levels of padding by the mean that they stand for.

    transformers pads with zeros after normalisation, hence with the mean, such as 127.5, which a uint8 image cannot
    hold. Padding is told from the image by whole rows or columns of its colour. Where a photo has such a row, that is
    taken for padding too, and changes by at most half a grey level.
    """

    fill: torch.Tensor
    shift: torch.Tensor

    def __init__(self, contract: InputContract) -> None:
        super().__init__()
        assert contract.padding is not None
        fill = np.array(contract.padding.fill, np.float64)
        self.register_buffer("fill", torch.tensor(fill, dtype=torch.float32))
        shift = np.array(contract.mean) / contract.rescale - fill
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Take and return float32 [N, H, W, 3] of whole grey levels."""
        # Comparisons and Where would leave the forms that engines fuse; whole numbers differ by 0, or 1 and more.
        apart = (pixels - self.fill).abs().amax(3, keepdim=True)
        in_row, in_column = apart.amax(2, keepdim=True), apart.amax(1, keepdim=True)
        return pixels + (1 - torch.minimum(in_row, in_column).clamp(max=1)) * self.shift


def exact_padding(contract: InputContract) -> torch.nn.Module:
    """Return the module for a contract; it does nothing where padding has its colour already."""
    padding = contract.padding
    if padding is None or padding.place != "start":
        return torch.nn.Identity()
    exact = np.array(contract.mean) / contract.rescale
    return torch.nn.Identity() if np.array_equal(exact, padding.fill) else ExactPadding(contract)
