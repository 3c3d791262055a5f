"""What is inside of the encoder, as a container."""

from collections import deque
from collections.abc import Iterator

from vitscope.server.answer.answer import Result
from vitscope.server.api.native.explain.replies import to_header
from vitscope.server.api.rest.container import Container, encode_head
from vitscope.server.api.rest.replies import to_fields
from vitscope.server.maps.internals.blocks import Block


def to_container(result: Result) -> Container:
    """Return the reply to a request to explain. Takes the blocks out of the result: each is freed once it is sent.

    The head is the header of gRPC's stream; each part says in addition at which byte after the head its first block
    begins, and how many bytes its blocks have.
    """
    internals = result.classification.internals
    assert internals is not None
    head, selection, offset = to_fields(to_header(result, internals).header), internals.selection, 0
    for part, blocks in zip(head["parts"], selection.parts, strict=True):
        part |= {"offset": offset, "bytes": selection.bytes_of(blocks)}
        offset += part["bytes"]
    assert offset == selection.total_bytes
    taken, internals.blocks = deque(internals.blocks), []
    return Container(encode_head(head), _pieces(taken, selection.piece_bytes), selection.total_bytes)


def _pieces(blocks: deque[Block], size: int) -> Iterator[bytes]:
    while blocks:
        for _, values in blocks.popleft().pieces(size):
            yield values
