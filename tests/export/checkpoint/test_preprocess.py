"""Image processors and the input contract."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from vitscope.export.checkpoint.preprocess import Size, fit_to, input_contract, prepare
from vitscope.export.errors import ExportError

CROPPED = {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}}


def test_squash() -> None:
    contract = input_contract(ViTImageProcessorPil(size={"height": 28, "width": 30}, image_mean=[0.1, 0.2, 0.3]))
    resize = contract.resize
    assert (contract.height, contract.width, contract.mean) == (28, 30, (0.1, 0.2, 0.3))
    assert (resize.mode, resize.height, resize.width, resize.interpolation) == ("squash", 28, 30, "bilinear")


def test_squash_and_crop() -> None:
    contract = input_contract(DeiTImageProcessorPil(**CROPPED))
    resize = contract.resize
    assert (contract.height, contract.width, resize.height, resize.width) == (32, 32, 40, 40)
    assert resize.interpolation == "bicubic"


def test_shortest_edge_and_crop() -> None:
    processor = BitImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224})
    contract = input_contract(processor)
    assert (contract.height, contract.resize.mode, contract.resize.edge) == (224, "shortest_edge", 256)


def test_steps_that_are_switched_off_are_neutral() -> None:
    contract = input_contract(ViTImageProcessorPil(do_normalize=False, do_rescale=False))
    assert (contract.rescale, contract.mean, contract.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("processor", "named"),
    [
        (BitImageProcessorPil(do_center_crop=False), "size"),
        (BitImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 64}), "size"),
        (ViTImageProcessorPil(do_resize=False), "do_resize"),
        (ViTImageProcessorPil(resample=4), "resample"),
        (ViTImageProcessorPil(image_mean=[0.5], image_std=[0.5]), "image_mean"),
        (ViTImageProcessorPil(image_std=[0.5, 0.0, 0.5]), r"image_std in preprocessor_config\.json is .*above 0"),
        (ViTImageProcessorPil(image_mean=[float("nan"), 0.0, 0.5]), "image_mean in .*finite"),
        (ViTImageProcessorPil(rescale_factor=0), "rescale_factor"),
        (ViTImageProcessorPil(size={"height": 10**6, "width": 32}), "a side of 1,000,000 pixels.*up to 4,096"),
        (BitImageProcessorPil(size={"shortest_edge": 10**6}), "a side of 1,000,000 pixels"),
        (ViTImageProcessorPil(do_pad=True), "do_pad"),
        (BitImageProcessorPil(size={"shortest_edge": 200}), "a crop of 224x224 does not fit"),
        (ConvNextImageProcessorPil(), "ConvNextImageProcessorPil"),
    ],
)
def test_what_the_contract_cannot_express_is_refused(processor: Any, named: str) -> None:
    with pytest.raises(ExportError, match=named):
        input_contract(processor)


def test_a_processor_with_custom_steps_is_refused_at_another_size_too() -> None:
    with pytest.raises(ExportError, match="steps of its own"):
        fit_to(ConvNextImageProcessorPil(), Size(64, 64))


@given(height=st.integers(8, 400), width=st.integers(8, 400))
@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(),
        DeiTImageProcessorPil(**CROPPED),
        BitImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 42, "width": 42}),
    ],
    ids=["squash", "squash and crop", "shortest edge"],
)
def test_any_size_can_be_asked_for(processor: Any, height: int, width: int) -> None:
    fitted = fit_to(processor, Size(height, width))
    contract = input_contract(fitted)
    assert (contract.height, contract.width) == (height, width)
    assert fitted.image_mean == processor.image_mean and fitted.resample == processor.resample


def test_both_sides_of_the_comparison_are_the_same_image() -> None:
    processor = BitImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 42, "width": 42})
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    pixels, tensor = prepare(processor, Image.fromarray(noise))
    contract = input_contract(processor)
    assert pixels.dtype == np.uint8 and pixels.shape == (42, 42, 3)
    expected = (pixels * contract.rescale - np.array(contract.mean)) / np.array(contract.std)
    np.testing.assert_allclose(tensor.numpy().transpose(1, 2, 0), expected, atol=1e-5)
