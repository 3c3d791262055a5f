"""What of the encoder's inside a request gets, and what is refused."""

from typing import Any

import pytest

from tests.server.maps.samples_full import COUNT, LABELS, WIDTH, manifest
from vitscope.bundle import CLASSIFY, Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.internals.options import InternalsOptions
from vitscope.server.maps.internals.selection import DEFAULT_LIMITS, Limits, Selection, output_bytes, parts_of, select
from vitscope.server.maps.rollout import RolloutOptions
from vitscope.server.maps.tokens import Patch

ALL: Any = ("matrices", "rows", "columns", "queries", "keys", "values", "token_norms", "lens", "rollout", "updates")


def chosen(model: Manifest | None = None, limits: Limits = DEFAULT_LIMITS, **options: Any) -> Selection:
    return select(InternalsOptions(**options), model or manifest(), limits, 2)


def test_by_default_all_layers_and_heads_and_the_first_token() -> None:
    found = chosen(parts=ALL)
    assert {blocks.part: (blocks.layers, blocks.heads, blocks.tokens, blocks.shape) for blocks in found.parts} == {
        "matrices": ((0, 1, 2), (0, 1), (), (COUNT, COUNT)),
        **dict.fromkeys(("rows", "columns"), ((0, 1, 2), (0, 1), (0,), (1, COUNT))),
        **dict.fromkeys(("queries", "keys", "values"), ((0, 1, 2), (0, 1), (), (COUNT, WIDTH))),
        "token_norms": ((), (), (), (4, COUNT)),
        "lens": ((), (), (), (4, COUNT, 2)),
        "updates": ((), (), (), (3, 2, COUNT)),
        "rollout": ((), (), (0,), (1, COUNT)),
    }
    assert found.total_bytes == 4 * (6 * (64 + 2 * 8 + 3 * 32) + 4 * 8 + 4 * 8 * 2 + 8 + 6 * 8)
    assert chosen(parts=ALL, dtype="float16").total_bytes == found.total_bytes // 2


def test_a_model_says_which_parts_it_has() -> None:
    assert set(parts_of(manifest())) == set(ALL)
    without = manifest().model_copy(update={"graphs": {CLASSIFY: manifest().graphs[CLASSIFY]}})
    assert parts_of(without) == ()


def test_what_is_chosen() -> None:
    found = chosen(parts=("rows", "lens"), layers=(-1, 0), heads=(1,), tokens=(1, Patch(1, 2)), lens_classes=(2, 0))
    rows, lens = found.parts
    assert (rows.layers, rows.heads, rows.tokens, rows.shape) == ((0, 2), (1,), (1, 7), (2, COUNT))
    assert (lens.shape, found.lens_classes) == ((4, COUNT, 2), (0, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": ()}, "parts: none; accepted: at least one of matrices, rows"),
        ({"parts": ("rows", "rows")}, "parts: rows, rows; accepted: at least one of .*, each once"),
        ({"parts": ("unspecified",)}, "parts: unspecified; accepted: at least one of matrices"),
        ({"parts": ALL, "layers": (3,)}, "layers: 3; accepted: -3 to 2"),
        ({"parts": ALL, "heads": (2,)}, "heads: 2; accepted: 0 to 1"),
        ({"parts": ALL, "heads": (0, 0, 1)}, "heads: 3 of them; accepted: each of the 2 once at most"),
        ({"parts": ALL, "tokens": (8,)}, "tokens: 8; accepted: 0 to 7"),
        ({"parts": ALL, "tokens": (Patch(2, 0),)}, "patches: row 2, column 0; accepted: row 0 to 1, column 0 to 2"),
        ({"parts": ALL, "tokens": (2, Patch(0, 0))}, "tokens: 2 of them, not all different; accepted: each token once"),
        ({"parts": ALL, "tokens": range(9)}, "tokens: 9 of them; accepted: each of the 8 once at most"),
        ({"parts": ALL, "lens_classes": (3,)}, "lens_classes: 3; accepted: 0 to 2"),
        ({"parts": ("rows",), "lens_classes": (0,)}, r"lens_classes: \[0\]; accepted: none without the part lens"),
        ({"parts": ALL, "rollout": RolloutOptions(from_layer=3)}, "from_layer: 3; accepted: -3 to 2"),
        ({"parts": ALL, "piece_bytes": 4095}, "piece_bytes: 4,095; accepted: 4,096 to 3,145,728, or 0 for the default"),
        ({"parts": ALL, "piece_bytes": 3 * 2**20 + 1}, "piece_bytes: 3,145,729; accepted: 4,096 to 3,145,728"),
    ],
)
def test_what_the_model_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        chosen(**options)


def test_a_reply_that_would_be_too_large_is_refused() -> None:
    limits = Limits(1024)
    assert chosen(limits=limits, parts=("matrices",), layers=(0,), heads=(0,)).total_bytes == 256
    with pytest.raises(
        InvalidRequest, match=r"^parts: a reply of 0\.0 MiB; accepted: up to 0 MiB: fewer parts, layers"
    ):
        chosen(limits=limits, parts=("matrices",))


def test_pieces_fit_in_the_messages_of_the_server() -> None:
    limits = Limits(2**20, piece=2**20 - 1024)
    assert chosen(limits=limits, parts=ALL).piece_bytes == 2**20 - 1024
    with pytest.raises(InvalidRequest, match="piece_bytes: 1,048,576; accepted: 4,096 to 1,047,552"):
        chosen(limits=limits, parts=ALL, piece_bytes=2**20)


def test_a_model_without_the_graph_is_refused_with_the_reason() -> None:
    without = manifest(graphs=(CLASSIFY,)).model_copy(update={"methods": ("attention",)})
    with pytest.raises(
        InvalidRequest, match=r"^model: it needs the graph 'full', and model 'toy' was exported without it"
    ):
        chosen(without, parts=ALL)
    windows = without.model_copy(update={"tokens": without.tokens.model_copy(update={"attention_from": None})})
    with pytest.raises(InvalidRequest, match="model 'toy' attends within windows of patches; accepted: a model with"):
        chosen(windows, parts=ALL)


def test_a_head_with_a_pooling_query_has_no_lens() -> None:
    model = manifest(without=("lens",))
    with pytest.raises(
        InvalidRequest, match=r"^parts: lens, and the head of model 'toy' reads no single tokens; accepted"
    ):
        chosen(model, parts=ALL)
    assert chosen(model, parts=("token_norms",)).total_bytes == 4 * 4 * COUNT


def test_a_bundle_from_before_a_part_says_what_to_do() -> None:
    model = manifest(without=("updates",))
    with pytest.raises(
        InvalidRequest,
        match=r"^parts: updates, and model 'toy' was exported before there were any \(export its checkpoint again\); "
        "accepted: at least one of matrices, .*rollout, each once",
    ):
        chosen(model, parts=ALL)


def test_the_bytes_of_a_graph_are_known() -> None:
    values = LABELS + 6 * (64 + 3 * 32) + 4 * 8 + 6 * 8 + 4 * 8 * LABELS
    assert output_bytes(manifest(), "full") == 4 * values
