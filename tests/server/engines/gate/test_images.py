"""The images that the gate makes up."""

import numpy as np

from vitscope.server.engines.gate.images import made_up_images


def test_made_up_photos_are_the_same_each_time_and_not_alike() -> None:
    images = made_up_images(32, 48, count=4)
    assert images.shape == (4, 32, 48, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, made_up_images(32, 48, count=4))
    assert 20 < images.std() < 80
    neighbours = np.abs(np.diff(images.astype(int), axis=2)).mean()
    assert neighbours < np.abs(images[0].astype(int) - images[1]).mean() / 2, "natural images are smooth"
