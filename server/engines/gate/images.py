"""Images for the gate where nobody gave any."""

import numpy as np


def made_up_images(height: int, width: int, count: int = 32, seed: int = 0) -> np.ndarray:
    """Make up photos, uint8 [count, height, width, 3].

    They are noise of every scale, strongest at the coarse ones, as in natural images, whose amplitude falls with
    spatial frequency (Field 1987).
    """
    noise = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(noise.standard_normal((count, 3, height, width))) / frequency
    fields = np.fft.irfft2(waves, s=(height, width)).transpose(0, 2, 3, 1)
    fields /= fields.std(axis=(1, 2), keepdims=True)
    images: np.ndarray = np.clip(fields * 50 + noise.uniform(80, 170, (count, 1, 1, 3)), 0, 255).astype(np.uint8)
    return images
