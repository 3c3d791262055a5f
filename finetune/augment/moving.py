"""Mirroring and shifting."""

import numpy as np


def flip(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return uint8 [H, W, 3] mirrored left to right, with probability 0.5."""
    return pixels[:, ::-1] if random.random() < 0.5 else pixels


def shift(pixels: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Return uint8 [H, W, 3] moved by up to `most` pixels each way; the edges are repeated."""
    height, width, _ = pixels.shape
    down, right = random.integers(-most, most + 1, 2)
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    moved: np.ndarray = pixels[rows[:, None], columns[None, :]]
    return moved
