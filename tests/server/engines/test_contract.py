"""Names and reports of engines."""

from vitscope.server.engines.contract import Identity, Usage, label


def test_an_engine_is_called_the_same_everywhere() -> None:
    assert label("openvino", "bf16") == str(Identity("openvino", "2026.3", "bf16", "a CPU")) == "openvino/bf16"


def test_usage_adds_up() -> None:
    one = Usage(runs=1, rows=3, padding=1, graph_runs=1, upload=0.5, compute=1.0, download=0.25)
    assert one + Usage() == one
    assert one + one == Usage(runs=2, rows=6, padding=2, graph_runs=2, upload=1.0, compute=2.0, download=0.5)
