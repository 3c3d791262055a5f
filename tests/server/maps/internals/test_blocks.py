"""Blocks cut out of the outputs of the graph `full`."""

from typing import Any

import numpy as np
import pytest

from tests.server.maps.internals.test_selection import ALL, chosen
from tests.server.maps.samples_full import COUNT, TOKENS, outputs
from vitscope.server.maps.internals.blocks import Internals, cut
from vitscope.server.maps.rollout import RolloutOptions, rollout

OUTPUTS = outputs()


def made(**options: Any) -> Internals:
    return cut(chosen(**options), OUTPUTS, answered=(2, 0))


def test_each_block_is_that_of_its_part_layer_and_head() -> None:
    found = made(parts=ALL, tokens=(0, 5), rollout=RolloutOptions("max"))
    of = {(block.part, block.layer, block.head): block.values for block in found.blocks}
    assert len(of) == len(found.blocks) == 6 * 6 + 4
    for layer in range(3):
        for head in range(2):
            matrix = OUTPUTS["matrices"][layer, head]
            np.testing.assert_array_equal(of["matrices", layer, head], matrix)
            np.testing.assert_array_equal(of["rows", layer, head], matrix[[0, 5]])
            np.testing.assert_array_equal(of["columns", layer, head], matrix.T[[0, 5]])
            for part in ("queries", "keys", "values"):
                np.testing.assert_array_equal(of[part, layer, head], OUTPUTS[part][layer, head])
    np.testing.assert_array_equal(of["token_norms", -1, -1], OUTPUTS["token_norms"])
    np.testing.assert_array_equal(of["updates", -1, -1], OUTPUTS["updates"])
    np.testing.assert_array_equal(of["lens", -1, -1], OUTPUTS["lens"][..., [2, 0]])
    expected = rollout(OUTPUTS["matrices"], [0, 5], RolloutOptions("max"), TOKENS.prefix)
    np.testing.assert_array_equal(of["rollout", -1, -1], expected)
    assert found.classes == (2, 0)


def test_blocks_are_as_large_as_announced() -> None:
    for dtype in ("float32", "float16"):
        found = made(parts=ALL, layers=(1,), dtype=dtype)
        assert sum(block.values.nbytes for block in found.blocks) == found.selection.total_bytes


def test_blocks_do_not_keep_the_outputs() -> None:
    assert all(
        not np.shares_memory(block.values, OUTPUTS[block.part]) for block in made(parts=("matrices", "lens")).blocks
    )


def test_pieces_put_together_are_the_block() -> None:
    (block,) = made(parts=("matrices",), layers=(2,), heads=(1,)).blocks
    pieces = list(block.pieces(100))
    assert [offset for offset, _ in pieces] == [0, 100, 200]
    values = np.frombuffer(b"".join(data for _, data in pieces), "<f4").reshape(COUNT, COUNT)
    np.testing.assert_array_equal(values, OUTPUTS["matrices"][2, 1])


def test_float16_keeps_what_it_can_and_clips_the_rest() -> None:
    large = {**OUTPUTS, "token_norms": np.full_like(OUTPUTS["token_norms"], 1e6)}
    (block,) = cut(chosen(parts=("token_norms",), dtype="float16"), large, ()).blocks
    assert block.values.dtype == np.dtype("<f2") and (block.values == 65504).all()
    (matrix,) = made(parts=("matrices",), layers=(0,), heads=(0,), dtype="float16").blocks
    np.testing.assert_allclose(matrix.values, OUTPUTS["matrices"][0, 0], rtol=1e-3, atol=1e-7)


def test_lens_classes_that_were_asked_for_come_before_those_of_the_answer() -> None:
    found = made(parts=("lens",), lens_classes=(1,))
    assert found.classes == (1,)
    np.testing.assert_array_equal(found.blocks[0].values, OUTPUTS["lens"][..., [1]])


@pytest.mark.filterwarnings("error")
def test_nothing_warns_of_overflow() -> None:
    cut(chosen(parts=("token_norms",), dtype="float16"), {"token_norms": np.full((4, COUNT), 1e9, np.float32)}, ())
