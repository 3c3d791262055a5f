"""A processor for another input size."""

from typing import Any

from vitscope.export.checkpoint.own_steps import keeps_square
from vitscope.export.checkpoint.size import cropped_size, output_size, padded_size
from vitscope.export.size import Size


def fit_to(processor: Any, size: Size) -> Any:
    """Return the same processor for another input size. Crop and padding keep their share of the resized image.

    A processor that only takes images of its own size gets a resize.
    """
    target = {"height": size.height, "width": size.width}
    if not processor.do_resize and not cropped_size(processor):
        return _changed(processor, {"do_resize": True, "do_pad": False, "size": target})
    before = output_size(processor)
    if size == before:
        return processor
    if keeps_square(processor, size):
        return _changed(processor, {"size": {"shortest_edge": size.height}})
    changes: dict[str, Any] = {}
    if padded_size(processor):
        changes["pad_size"] = target
    if cropped_size(processor):
        changes["crop_size"] = target
    if processor.do_resize:
        changes["size"] = _resized(processor, before, size) if changes else target
    return _changed(processor, changes)


def _resized(processor: Any, before: Size, size: Size) -> dict[str, int]:
    given, rows, columns = processor.size, size.height / before.height, size.width / before.width
    if given.shortest_edge and given.longest_edge:
        zoom = min(rows, columns)
        longest = max(1, min(round(given.longest_edge * zoom), size.height, size.width))
        return {"shortest_edge": max(1, round(given.shortest_edge * zoom)), "longest_edge": longest}
    if given.shortest_edge:
        edge = max(1, round(given.shortest_edge * max(rows, columns)))
        return {"shortest_edge": edge if _pads(processor, before) else max(edge, size.height, size.width)}
    if given.max_height and given.max_width:
        return {
            "max_height": max(1, round(given.max_height * rows)),
            "max_width": max(1, round(given.max_width * columns)),
        }
    return {"height": max(1, round(given.height * rows)), "width": max(1, round(given.width * columns))}


def _pads(processor: Any, before: Size) -> bool:
    return bool(processor.size.shortest_edge < max(before.height, before.width))


def _changed(processor: Any, changes: dict[str, Any]) -> Any:
    return type(processor)(**{**processor.to_dict(), **changes})
