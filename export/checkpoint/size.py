"""What a processor's settings say about sizes."""

from typing import Any

from vitscope.export.checkpoint.own_steps import plain_steps
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError
from vitscope.export.size import Size


def output_size(processor: Any) -> Size:
    """Return the processor's output size. Raises ExportError if it depends on the image."""
    if isinstance(processor, TimmProcessor):
        return processor.size
    processor = plain_steps(processor)
    accepted = "height and width, or shortest_edge followed by a centre crop, or a letterbox followed by padding"
    padded, cropped = padded_size(processor), cropped_size(processor)
    if padded and cropped and padded != cropped:
        raise setting_error("pad_size", str(padded), f"the size of its centre crop, {cropped}")
    if not processor.do_resize and not cropped:
        raise setting_error(
            "do_resize", False, "true, or a centre crop, since the server takes images of any size; --size N resizes"
        )
    if found := padded or cropped:
        return found
    size = processor.size
    if size is None:
        raise setting_error("size", None, accepted)
    if size.shortest_edge or size.max_height or not size.height or not size.width:
        raise setting_error("size", plain(size), accepted)
    return Size(size.height, size.width)


def cropped_size(processor: Any) -> Size | None:
    """Return the size of the centre crop, if there is one."""
    return _fixed(processor, "crop_size") if getattr(processor, "do_center_crop", False) else None


def padded_size(processor: Any) -> Size | None:
    """Return the size that images are padded to, if there is one.

    Without a size transformers pads the images of a batch to the largest of them, which does nothing to one alone.
    """
    if not getattr(processor, "do_pad", False) or getattr(processor, "pad_size", None) is None:
        return None
    return _fixed(processor, "pad_size")


def _fixed(processor: Any, name: str) -> Size:
    given = getattr(processor, name, None)
    if given is None or not given.height or not given.width:
        raise setting_error(name, None if given is None else plain(given), "height and width")
    return Size(given.height, given.width)


def plain(size: Any) -> dict[str, int]:
    """Return the settings of a size that are given."""
    return {name: value for name, value in dict(size).items() if value is not None}


def setting_error(name: str, found: object, accepted: str) -> ExportError:
    """Return the error for a setting of the processor."""
    return ExportError(f"CHECKPOINT: {name} in preprocessor_config.json is {found}; accepted: {accepted}")
