"""Sizes in pixels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"
