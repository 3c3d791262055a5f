"""The graphs give padding the exact mean, and leave the photo alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from vitscope.bundle import InputContract
from vitscope.export.checkpoint.pixels import by_contract
from vitscope.export.checkpoint.preprocess import input_contract
from vitscope.export.graph.padding import exact_padding


def contract(mean: float | list[float]) -> InputContract:
    square = {"height": 32, "width": 32}
    size = {"shortest_edge": 32, "longest_edge": 32}
    return input_contract(ViTImageProcessorPil(size=size, do_pad=True, pad_size=square, image_mean=mean))


@pytest.mark.parametrize("size", [(90, 40), (40, 90), (64, 64)])
@pytest.mark.parametrize("mean", [0.5, [0.485, 0.456, 0.406]])
def test_padding_becomes_the_mean_and_nothing_else_changes(size: tuple[int, int], mean: float | list[float]) -> None:
    letterbox, noise = contract(mean), np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    pixels = torch.from_numpy(by_contract(Image.fromarray(noise), letterbox)).float()[None]
    found = exact_padding(letterbox)(pixels)[0].numpy()
    height, width = (side * 32 // max(size) for side in (size[1], size[0]))
    np.testing.assert_array_equal(found[:height, :width], pixels[0, :height, :width])
    exact = np.array(letterbox.mean) * 255
    for padding in (found[height:], found[:, width:]):
        np.testing.assert_allclose(padding, np.broadcast_to(exact, padding.shape), rtol=1e-6)


def test_grey_photos_are_moved_by_half_a_level_at_most() -> None:
    grey = torch.full((1, 32, 32, 3), 128.0)
    assert (exact_padding(contract(0.5))(grey) - grey).abs().max() == 0.5


def test_a_colour_that_is_exact_needs_nothing() -> None:
    assert isinstance(exact_padding(contract(0.0)), torch.nn.Identity)
    assert isinstance(exact_padding(contract(0.2)), torch.nn.Identity)  # grey level 51
