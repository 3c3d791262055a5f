"""From what is inside of the encoder to the messages of Explain."""

from collections.abc import Iterator

from vitscope.server.answer.answer import Result
from vitscope.server.api.models import ACTIVATIONS
from vitscope.server.api.native.explain.requests import PARTS
from vitscope.server.api.native.replies import to_classes, to_geometry, to_timing
from vitscope.server.api.native.requests import DTYPES
from vitscope.server.maps.internals.blocks import Block, Internals
from vitscope.v1 import explain_pb2


def to_header(result: Result, internals: Internals) -> explain_pb2.ExplainResponse:
    """Return the first message."""
    found, selection = result.classification, internals.selection
    manifest, tokens = selection.manifest, selection.manifest.tokens
    layout = explain_pb2.TokenLayout(
        count=tokens.prefix + tokens.patches,
        cls=tokens.cls_tokens,
        distillation=tokens.distillation_tokens,
        registers=tokens.register_tokens,
        first_patch=tokens.prefix,
        rows=tokens.grid_rows,
        cols=tokens.grid_cols,
    )
    parts = [
        explain_pb2.ExplainBlocks(
            part=PARTS.number(blocks.part),
            layers=blocks.layers,
            heads=blocks.heads,
            tokens=blocks.tokens,
            classes=internals.classes if blocks.part == "lens" else (),
            shape=blocks.shape,
        )
        for blocks in selection.parts
    ]
    header = explain_pb2.ExplainHeader(
        classes=to_classes(found.classes),
        activation=ACTIVATIONS[found.activation],
        geometry=to_geometry(found.geometry),
        tokens=layout,
        layers=manifest.layers,
        heads=manifest.heads,
        parts=parts,
        dtype=DTYPES.number(selection.dtype),
        total_bytes=selection.total_bytes,
        model=result.model,
        version=result.version,
        timing=to_timing(result),
    )
    return explain_pb2.ExplainResponse(header=header)


def to_pieces(block: Block, size: int) -> Iterator[explain_pb2.ExplainResponse]:
    """Yield the messages of one block, each with at most `size` bytes of values."""
    for offset, values in block.pieces(size):
        piece = explain_pb2.ExplainPiece(
            part=PARTS.number(block.part), layer=block.layer, head=block.head, offset=offset, values=values
        )
        yield explain_pb2.ExplainResponse(piece=piece)
