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
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.levit.image_processing_pil_levit import LevitImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.mobilevit.image_processing_pil_mobilevit import MobileViTImageProcessorPil
from transformers.models.poolformer.image_processing_pil_poolformer import PoolFormerImageProcessorPil
from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from vitscope.export.checkpoint.pixels import check_contract, prepare
from vitscope.export.checkpoint.preprocess import Size, fit_to, input_contract
from vitscope.export.errors import ExportError

SQUARE = {"height": 32, "width": 32}
BOX = {"shortest_edge": 32, "longest_edge": 32}
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
        (ViTImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 64}), "size"),
        (ViTImageProcessorPil(do_resize=False), "do_resize"),
        (ViTImageProcessorPil(resample=4), "resample"),
        (ViTImageProcessorPil(image_mean=[0.5], image_std=[0.5]), "image_mean .*one value, or three"),
        (ViTImageProcessorPil(do_resize=False, do_pad=True, pad_size={"height": 64, "width": 64}), "do_resize"),
        (ViTImageProcessorPil(size={"longest_edge": 32}), "size"),
        (ViTImageProcessorPil(size=BOX, do_pad=True), "size"),  # as large as the largest photo of a batch
        (ViTImageProcessorPil(size={"shortest_edge": 32}, do_pad=True, pad_size=SQUARE), "may exceed 32x32"),
        (ViTImageProcessorPil(size={"height": 40, "width": 30}, do_pad=True, pad_size=SQUARE), "may exceed 32x32"),
        (ViTImageProcessorPil(size=BOX, do_pad=True, pad_size=SQUARE, image_mean=2.0), "image_mean .*grey levels of 0"),
        (BitImageProcessorPil(do_pad=True, pad_size=SQUARE), "pad_size .*the size of its centre crop, 224x224"),
        (ViTImageProcessorPil(image_std=[0.5, 0.0, 0.5]), r"image_std in preprocessor_config\.json is .*above 0"),
        (ViTImageProcessorPil(image_mean=[float("nan"), 0.0, 0.5]), "image_mean in .*finite"),
        (ViTImageProcessorPil(rescale_factor=0), "rescale_factor"),
        (ViTImageProcessorPil(size={"height": 10**6, "width": 32}), "a side of 1,000,000 pixels.*up to 4,096"),
        (BitImageProcessorPil(size={"shortest_edge": 10**6}), "a side of 1,000,000 pixels"),
        (EfficientNetImageProcessorPil(), "EfficientNetImageProcessorPil has steps of its own"),
        (ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0), "crop_pct in .* is 0; accepted: above 0"),
        (ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=None), "crop_pct"),
        (PoolFormerImageProcessorPil(crop_pct="0.9"), "crop_pct in .* is '0.9'"),
        (ConvNextImageProcessorPil(do_center_crop=True), "ConvNextImageProcessorPil has steps of its own"),
        (Siglip2ImageProcessorPil(), "size in preprocessor_config.json is None"),
    ],
)
def test_what_the_contract_cannot_express_is_refused(processor: Any, named: str) -> None:
    with pytest.raises(ExportError, match=named):
        input_contract(processor)


def test_a_processor_with_custom_steps_is_refused_at_another_size_too() -> None:
    with pytest.raises(ExportError, match="steps of its own"):
        fit_to(EfficientNetImageProcessorPil(), Size(64, 64))


@pytest.mark.parametrize(
    ("processor", "resized", "side"),
    [
        (ConvNextImageProcessorPil(size={"shortest_edge": 224}), ("shortest_edge", 256), 224),
        (ConvNextImageProcessorPil(size={"shortest_edge": 56}, crop_pct=0.95), ("shortest_edge", 58), 56),
        (ConvNextImageProcessorPil(), ("squash", None), 384),
        (PoolFormerImageProcessorPil(), ("shortest_edge", 248), 224),
        (PoolFormerImageProcessorPil(size=SQUARE, crop_size=SQUARE, crop_pct=0.8), ("shortest_edge", 40), 32),
        (PoolFormerImageProcessorPil(size=SQUARE, crop_size=SQUARE, crop_pct=None), ("squash", None), 32),
        (LevitImageProcessorPil(), ("shortest_edge", 256), 224),
        (SegformerImageProcessorPil(size=SQUARE), ("squash", None), 32),
    ],
)
def test_a_resize_of_its_own_is_told_in_plain_steps(processor: Any, resized: tuple[str, Any], side: int) -> None:
    """A share of the crop in place of a size, and a class that only puts the usual steps together by itself."""
    contract = input_contract(processor)
    assert ((contract.resize.mode, contract.resize.edge), contract.height) == (resized, side)
    check_contract(processor)
    fitted = fit_to(processor, Size(96, 96))
    assert type(fitted) is type(processor) and input_contract(fitted).width == 96
    check_contract(fitted)


def test_a_processor_of_squares_takes_no_other_size() -> None:
    with pytest.raises(ExportError, match="--size 48x64: its image processor makes squares"):
        fit_to(ConvNextImageProcessorPil(), Size(48, 64))
    assert input_contract(fit_to(ConvNextImageProcessorPil(), Size(400, 400))).resize.mode == "squash"


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (MobileViTImageProcessorPil(), "values that its settings do not explain"),
        (LlavaNextImageProcessorPil(), "makes several images of one"),
    ],
)
def test_steps_that_no_setting_tells_are_found_on_images(processor: Any, reason: str) -> None:
    with pytest.raises(ExportError, match=reason):
        check_contract(processor)


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


LETTERBOX = {"size": BOX, "do_pad": True, "pad_size": SQUARE}


@pytest.mark.parametrize(
    ("processor", "resized", "padding"),
    [
        (ViTImageProcessorPil(**LETTERBOX), ("letterbox", 32, 32, 32), ("start", (128, 128, 128))),
        (ViTImageProcessorPil(**LETTERBOX, do_normalize=False), ("letterbox", 32, 32, 32), ("start", (0, 0, 0))),
        (
            ViTImageProcessorPil(size={"shortest_edge": 24, "longest_edge": 32}, do_pad=True, pad_size=SQUARE,
                                 image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]),
            ("letterbox", 32, 32, 24), ("start", (124, 116, 104)),
        ),
        (
            ViTImageProcessorPil(size={"max_height": 30, "max_width": 32}, do_pad=True, pad_size=SQUARE),
            ("letterbox", 30, 32, None), ("start", (128, 128, 128)),
        ),
        (
            ViTImageProcessorPil(size={"height": 30, "width": 20}, do_pad=True, pad_size=SQUARE),
            ("squash", 30, 20, None), ("start", (128, 128, 128)),
        ),
        (ViTImageProcessorPil(size=SQUARE, do_pad=True, pad_size=SQUARE), ("squash", 32, 32, None), None),
        (ViTImageProcessorPil(size=SQUARE, do_pad=True), ("squash", 32, 32, None), None),
        (
            ViTImageProcessorPil(size=BOX, do_center_crop=True, crop_size=SQUARE),
            ("letterbox", 32, 32, 32), ("centre", (0, 0, 0)),
        ),
        (
            BitImageProcessorPil(size={"shortest_edge": 27}, crop_size=SQUARE),
            ("shortest_edge", None, None, 27), ("centre", (0, 0, 0)),
        ),
        (
            ViTImageProcessorPil(do_resize=False, do_center_crop=True, crop_size=SQUARE),
            ("none", None, None, None), ("centre", (0, 0, 0)),
        ),
        (ViTImageProcessorPil(size=SQUARE, resample="bicubic"), ("squash", 32, 32, None), None),
        (ViTImageProcessorPil(size=32, image_mean=0.4, image_std=0.2), ("squash", 32, 32, None), None),
        (ViTImageProcessorPil(size=SQUARE, do_rescale=False), ("squash", 32, 32, None), None),
        (ViTImageProcessorPil(size=SQUARE, rescale_factor=1 / 127.5, resample=0), ("squash", 32, 32, None), None),
    ],
)  # fmt: skip
def test_what_the_contract_says_is_what_transformers_does(processor: Any, resized: Any, padding: Any) -> None:
    contract = input_contract(processor)
    resize = contract.resize
    assert (resize.mode, resize.height, resize.width, resize.edge) == resized
    assert (contract.padding and (contract.padding.place, contract.padding.fill)) == padding
    check_contract(processor)
    check_contract(fit_to(processor, Size(40, 56)))


def test_a_processor_that_does_not_as_its_settings_say_is_found() -> None:
    class Mirrored(ViTImageProcessorPil):
        def process_image(self, *arguments: Any, **options: Any) -> np.ndarray:
            return super().process_image(*arguments, **options)[..., ::-1]

    with pytest.raises(ExportError, match=r"its image processor Mirrored makes 224x224 values .* do not explain \("):
        check_contract(Mirrored())


def test_a_processor_for_images_of_its_own_size_gets_a_resize() -> None:
    contract = input_contract(fit_to(ViTImageProcessorPil(do_resize=False), Size(48, 48)))
    assert (contract.resize.mode, contract.height) == ("squash", 48)


def test_both_sides_of_the_comparison_are_the_same_image() -> None:
    processor = BitImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 42, "width": 42})
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    pixels, tensor = prepare(processor, Image.fromarray(noise))
    contract = input_contract(processor)
    assert pixels.dtype == np.uint8 and pixels.shape == (42, 42, 3)
    expected = (pixels * contract.rescale - np.array(contract.mean)) / np.array(contract.std)
    np.testing.assert_allclose(tensor.numpy().transpose(1, 2, 0), expected, atol=1e-5)
