"""Sizes in pixels."""

from dataclasses import dataclass

MAX_SIDE = 4096  # of a model's input


@dataclass(frozen=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"
