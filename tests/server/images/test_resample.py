"""The SIMD resize equals Pillow's within a grey level."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import difference, photos
from vitscope.server.images import resample as module
from vitscope.server.images.resample import FILTERS, resample

SMOOTH = sorted(FILTERS.keys() - {"nearest"})
SIZES = [(224, 224), (341, 256), (28, 28), (900, 700), (1, 300)]


def _pillow(image: Image.Image, extent: tuple[float, float], to: tuple[int, int], interpolation: str) -> Image.Image:
    return image.resize(to, FILTERS[interpolation], box=(0, 0, *extent))


@pytest.mark.parametrize("to", SIZES)
@pytest.mark.parametrize("interpolation", SMOOTH)
@pytest.mark.parametrize("name", ["coffee.png", "china.jpg", "gravel.png"])
def test_it_equals_pillows_resize(name: str, interpolation: str, to: tuple[int, int]) -> None:
    photo = photos()[name]
    resized = resample(photo.tobytes(), photo.size, photo.size, to, interpolation)
    assert (resized.dtype, resized.shape) == (np.uint8, (to[1], to[0], 3))
    assert difference(resized, _pillow(photo, photo.size, to, interpolation)) < 0.3


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    to=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    short=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    seed=st.integers(0, 2**32 - 1),
)
def test_bilinear_is_within_one_level_even_of_noise(
    size: tuple[int, int], to: tuple[int, int], short: tuple[float, float], seed: int
) -> None:
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))
    extent = (size[0] - short[0], size[1] - short[1])
    resized = resample(noise.tobytes(), size, extent, to, "bilinear").astype(int)
    assert np.abs(resized - np.asarray(_pillow(noise, extent, to, "bilinear"))).max() <= 1


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_an_image_of_the_right_size_is_not_changed(interpolation: str) -> None:
    photo = photos()["gravel.png"].resize((224, 224))
    assert difference(resample(photo.tobytes(), (224, 224), (224, 224), (224, 224), interpolation), photo) == 0


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_without_the_simd_package_pillow_resizes(monkeypatch: pytest.MonkeyPatch, interpolation: str) -> None:
    monkeypatch.setattr(module, "SIMD", False)
    photo, extent = photos()["coffee.png"], (599.5, 399.25)
    resized = resample(photo.tobytes(), photo.size, extent, (224, 224), interpolation)
    assert difference(resized, _pillow(photo, extent, (224, 224), interpolation)) == 0


def test_the_simd_package_is_installed_here() -> None:
    assert module.SIMD


def test_threads_do_not_affect_each_other() -> None:
    pictures = [photo.resize((640, 480)) for photo in list(photos().values())[:12]]

    def small(photo: Image.Image) -> bytes:
        return resample(photo.tobytes(), photo.size, photo.size, (224, 224), "bicubic").tobytes()

    alone = [small(photo) for photo in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(small, pictures * 8)) == alone * 8
