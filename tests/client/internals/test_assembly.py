"""Replies of Explain put together, and what is no such reply."""

import numpy as np
import pytest

from vitscope.client.errors import ClientError
from vitscope.client.internals.assembly import Assembly
from vitscope.client.internals.result import Explained, TokenLayout
from vitscope.v1 import explain_pb2, image_pb2, maps_pb2

MATRICES, NORMS = explain_pb2.EXPLAIN_PART_MATRICES, explain_pb2.EXPLAIN_PART_TOKEN_NORMS
VALUES = np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype("<f2")


def header(dtype: int = maps_pb2.DATA_TYPE_FLOAT16) -> explain_pb2.ExplainResponse:
    return explain_pb2.ExplainResponse(
        header=explain_pb2.ExplainHeader(
            geometry=image_pb2.Geometry(grid_to_image=[1, 0, 0, 0, 1, 0]),
            tokens=explain_pb2.TokenLayout(count=3, cls=1, first_patch=1, rows=2, cols=1),
            parts=[
                explain_pb2.ExplainBlocks(part=MATRICES, layers=[1, 4], heads=[2], shape=[3, 3]),
                explain_pb2.ExplainBlocks(part=NORMS, shape=[2, 3]),
            ],
            dtype=dtype,  # type: ignore[arg-type]
        )
    )


def piece(layer: int, head: int, offset: int, values: bytes, part: int = MATRICES) -> explain_pb2.ExplainResponse:
    made = explain_pb2.ExplainPiece(part=part, layer=layer, head=head, offset=offset, values=values)  # type: ignore[arg-type]
    return explain_pb2.ExplainResponse(piece=made)


def whole() -> list[explain_pb2.ExplainResponse]:
    first, second = VALUES[0, 0].tobytes(), VALUES[1, 0].tobytes()
    norms = np.arange(6, dtype="<f2").tobytes()
    return [
        header(), piece(1, 2, 0, first[:10]), piece(1, 2, 10, first[10:]), piece(4, 2, 0, second),
        piece(-1, -1, 0, norms, NORMS),
    ]  # fmt: skip


def made_of(messages: list[explain_pb2.ExplainResponse]) -> Explained:
    assembly = Assembly()
    for message in messages:
        assembly.add(message)
    return assembly.finish()


def test_pieces_become_arrays_of_float32() -> None:
    found = made_of(whole())
    assert found.matrices is not None and found.matrices.dtype == np.float32
    np.testing.assert_array_equal(found.matrices, VALUES.astype(np.float32))
    np.testing.assert_array_equal(found.at(4, 2), VALUES[1, 0].astype(np.float32))
    assert found.token_norms is not None and found.token_norms.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (found.layers, found.heads, found.chosen, found.lens) == ((1, 4), (2,), (), None)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "no header"),
        (whole()[1:], "a piece that no header announced"),
        (whole()[:-1], "12 bytes too few"),
        ([*whole(), whole()[-1]], "12 bytes too many"),
        ([*whole()[:3], piece(2, 2, 0, b"")], "a piece for layer 2, head 2 at 0, which was not announced"),
        ([*whole()[:3], piece(4, 2, 18, b"12")], "a piece for layer 4, head 2 at 18, which was not announced"),
        ([header(maps_pb2.DATA_TYPE_UINT8)], "values of the unknown type 3"),
    ],
)
def test_what_is_no_whole_reply_is_an_error(messages: list[explain_pb2.ExplainResponse], message: str) -> None:
    with pytest.raises(ClientError, match=f"^DATA_LOSS: the reply of Explain has {message}$"):
        made_of(messages)


def test_tokens_and_patches() -> None:
    tokens = TokenLayout(count=8, cls=1, distillation=0, registers=1, rows=2, cols=3)
    assert [tokens.patch(index) for index in (0, 1, 2, 7)] == [None, None, (0, 0), (1, 2)]
    assert [tokens.index(*patch) for patch in ((0, 0), (1, 2))] == [2, 7]
    values = np.arange(16, dtype=np.float32).reshape(2, 8)
    assert tokens.grid(values).tolist() == [[[2, 3, 4], [5, 6, 7]], [[10, 11, 12], [13, 14, 15]]]
    for wrong in (lambda: tokens.index(2, 0), lambda: tokens.patch(8), lambda: tokens.index(0, -1)):
        with pytest.raises(IndexError, match="accepted: "):
            wrong()
