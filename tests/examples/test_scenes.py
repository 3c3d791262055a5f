"""Scenes with exact masks, and how well maps find them."""

import numpy as np
import pytest

from examples.scenes.make import scenes
from examples.scenes.masks import energy, overlap
from examples.scenes.scene import LABELS, SIDE

CELLS, PATCH = 8, 14
MASKS = np.zeros((2, SIDE, SIDE), bool)
MASKS[0, 14:42, 28:70] = True  # 2 x 3 patches
MASKS[1, 7:21, 0:14] = True  # two halves of patches
RIGHT = MASKS.reshape(2, CELLS, PATCH, CELLS, PATCH).mean(axis=(2, 4))


@pytest.mark.parametrize("split", ["train", "test"])
def test_scenes_have_one_textured_shape_and_its_mask(split: str) -> None:
    drawn = scenes(split, 12, seed=5)
    assert [scene.label for scene in drawn] == [0, 1, 2, 3] * 3
    for scene, again in zip(drawn, scenes(split, 12, seed=5), strict=True):
        np.testing.assert_array_equal(scene.image, again.image)
        assert scene.image.shape == (SIDE, SIDE, 3) and scene.image.dtype == np.uint8
        assert 0.04 < scene.mask.mean() < 0.35
        inside = scene.image[scene.mask].astype(int)
        assert len(np.unique(inside, axis=0)) == 2, "a texture has two colours"
        rows, cols = (np.diff(scene.image.astype(int), axis=axis) for axis in (0, 1))
        edges = [
            np.abs(rows[scene.mask[1:] & scene.mask[:-1]]).sum(),
            np.abs(cols[scene.mask[:, 1:] & scene.mask[:, :-1]]).sum(),
        ]
        assert (edges[0] == 0, edges[1] == 0) == (
            LABELS[scene.label] == "upright stripes",
            LABELS[scene.label] == "level stripes",
        )


def test_energy_is_the_share_of_positive_values_in_the_mask() -> None:
    np.testing.assert_allclose(energy(RIGHT * (RIGHT == 1), MASKS), [1, 0])  # the other has no whole patch
    np.testing.assert_allclose(energy(np.ones_like(RIGHT), MASKS), MASKS.mean(axis=(1, 2)))
    np.testing.assert_allclose(energy(RIGHT, MASKS), [1, 0.5])
    np.testing.assert_allclose(energy(-RIGHT, MASKS), [0, 0])
    np.testing.assert_allclose(energy(np.where(RIGHT > 0, RIGHT, -7), MASKS), [1, 0.5])  # negative values do not count


def test_overlap_takes_as_many_patches_as_the_mask_covers() -> None:
    found = overlap(RIGHT, MASKS)
    assert found[0] == 1 and found[1] == pytest.approx(0.5 / 1.5)
    np.testing.assert_array_equal(overlap(np.exp(RIGHT), MASKS), found)
    np.testing.assert_array_equal(overlap(-RIGHT, MASKS), [0, 0])
