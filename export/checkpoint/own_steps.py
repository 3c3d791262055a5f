"""Image processors of transformers with a resize of their own, told in plain steps."""

from typing import Any

from transformers.image_processing_backends import PilBackend
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.levit.image_processing_pil_levit import LevitImageProcessorPil
from transformers.models.poolformer.image_processing_pil_poolformer import PoolFormerImageProcessorPil

from vitscope.export.errors import ExportError
from vitscope.export.size import Size

_WARPED = 384  # pixels; from here on ConvNext squashes instead of cropping
_LARGEST_SHARE = 4
_STEPS = ("resize", "center_crop", "pad", "rescale", "normalize")


def plain_steps(processor: Any) -> Any:
    """Return a processor of plain resize and crop that makes the same pixels: this one, but for those known here."""
    kind, size = type(processor), getattr(processor, "size", None)
    if not getattr(processor, "do_resize", False) or not size:
        return processor
    if kind is ConvNextImageProcessorPil and size.shortest_edge and not processor.do_center_crop:
        side = {"height": size.shortest_edge, "width": size.shortest_edge}
        if size.shortest_edge >= _WARPED:
            return _plain(processor, size=side, do_center_crop=False)
        return _plain(
            processor, size=_edge(size.shortest_edge / _share(processor)), crop_size=side, do_center_crop=True
        )
    if kind is LevitImageProcessorPil:
        return _plain(processor, size=_edge(256 / 224 * size.shortest_edge) if size.shortest_edge else size)
    if kind is PoolFormerImageProcessorPil:
        return _plain(processor, size=_pool_former(processor))
    return processor


def refuse_own_steps(processor: Any) -> None:
    """Raise ExportError for a processor with steps of which its settings do not say what they do.

    Those with only the order of the steps in their own hands pass: export tries every contract on images.
    """
    kind = type(processor)
    if not isinstance(processor, PilBackend) or any(getattr(kind, f) is not getattr(PilBackend, f) for f in _STEPS):
        raise ExportError(
            f"CHECKPOINT: its image processor {kind.__name__} has steps of its own; supported are those with plain "
            "resize, centre crop, padding, rescale and normalise (those of ViT, DeiT, BEiT, Bit, CLIP and the like)"
        )


def keeps_square(processor: Any, size: Size) -> bool:
    """Return True for a processor whose `size` is one edge of a square. Raises ExportError for a size that is none."""
    if type(processor) is not ConvNextImageProcessorPil or not processor.do_resize:
        return False
    if size.height != size.width:
        raise ExportError(f"--size {size}: its image processor makes squares; accepted: a square size")
    return True


def _edge(length: float) -> dict[str, int]:
    return {"shortest_edge": int(length)}


def _share(processor: Any) -> float:
    """Return the share of the resized image that is left of it. Raises ExportError for what is none."""
    share = processor.crop_pct
    if not isinstance(share, int | float) or not 0 < share <= _LARGEST_SHARE:
        raise ExportError(
            f"CHECKPOINT: crop_pct in preprocessor_config.json is {share!r}; accepted: above 0, up to {_LARGEST_SHARE}"
        )
    return float(share)


def _pool_former(processor: Any) -> Any:
    size = processor.size
    if processor.crop_pct is None:
        return size
    share = _share(processor)
    if size.shortest_edge or size.height == size.width:
        return _edge((size.shortest_edge or size.height) / share)
    return {"height": int(size.height / share), "width": int(size.width / share)}


def _plain(processor: Any, **changes: Any) -> Any:
    settings = {name: value for name, value in processor.to_dict().items() if name != "crop_pct"}
    return BitImageProcessorPil(**{**settings, **changes})
