"""The description of the graphs, and the files that are written by it."""

from collections import Counter

import onnx
import pytest

from tests.export.checkpoints import MAKERS
from vitscope.bundle import Bundle
from vitscope.export.families import Sizes
from vitscope.export.graph import describe_graphs, output_bytes, softmaxes
from vitscope.export.methods import Attention, Rollout

SIZES = Sizes(layers=7, heads=2, width=32, head_width=16)


@pytest.mark.parametrize("family", list(MAKERS))
def test_each_graph_computes_only_its_own_side_branches(family: str, bundles: dict[str, Bundle]) -> None:
    for name, expected in (("classify", 3), ("attention", 4)):  # two blocks, and one row or two
        graph = onnx.load(bundles[family].path / f"graphs/{name}.onnx", load_external_data=False).graph
        assert Counter(node.op_type for node in graph.node)["Softmax"] == expected
        assert [output.name for output in graph.output] == ["logits", "attention", "attention_prefix"]


def test_description(bundles: dict[str, Bundle]) -> None:
    tokens = bundles["dinov2-with-registers"].manifest.tokens
    graphs = describe_graphs(SIZES, 5, tokens, [Attention()])
    assert {n: [o.shape for o in g.outputs] for n, g in graphs.items()} == {
        "classify": [("N", 5), ("N", 2, 9), ("N", 2, 5)],
        "attention": [("N", 5), ("N", 7, 2, 9), ("N", 7, 2, 5)],
    }
    assert [softmaxes(name, SIZES, tokens, [Attention()]) for name in ("classify", "attention")] == [7 + 1, 7 + 7]
    assert softmaxes("classify", SIZES, tokens, []) == 7


def test_the_graph_of_everything_inside_has_the_softmaxes_of_the_layers_alone(bundles: dict[str, Bundle]) -> None:
    tokens = bundles["dinov2-with-registers"].manifest.tokens
    described = describe_graphs(SIZES, 5, tokens, [Attention(), Rollout()])["full"]
    count = 5 + 9
    assert {output.name: output.shape for output in described.outputs} == {
        "logits": ("N", 5),
        "matrices": ("N", 7, 2, count, count),
        **dict.fromkeys(("queries", "keys", "values"), ("N", 7, 2, count, 16)),
        "token_norms": ("N", 8, count),
        "updates": ("N", 7, 2, count),
        "lens": ("N", 8, count, 5),
    }
    assert output_bytes(described) == 4 * (5 + 14 * count**2 + 3 * 14 * count * 16 + (8 + 14) * count + 8 * count * 5)
    assert softmaxes("full", SIZES, tokens, [Attention(), Rollout()]) == 7
    graph = onnx.load(bundles["vit"].path / "graphs/full.onnx", load_external_data=False).graph
    assert Counter(node.op_type for node in graph.node)["Softmax"] == 2
    pooled = tokens.model_copy(update={"pooling": "attention"})
    assert not describe_graphs(SIZES, 5, pooled, [Rollout()])["full"].has("lens")


def test_without_methods_there_is_one_graph(bundles: dict[str, Bundle]) -> None:
    graphs = describe_graphs(SIZES, 5, bundles["vit"].manifest.tokens, [])
    assert {n: [o.name for o in g.outputs] for n, g in graphs.items()} == {"classify": ["logits"]}
