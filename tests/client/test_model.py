"""Models and model summaries from the messages of a server."""

import dataclasses

import pytest

from tests.client.servicer import COLS, HEADS, LABELS, LAYERS, ROWS, fashion
from vitscope.client.model import InputContract, Model, ModelSummary
from vitscope.v1 import image_pb2, model_pb2


@pytest.mark.parametrize("state", ["loading", "ready", "failed", "draining", "unloaded", "unspecified"])
def test_every_state_has_a_name(state: str) -> None:
    number = model_pb2.ModelState.Value(f"MODEL_STATE_{state.upper()}")
    message = model_pb2.ModelSummary(name="fashion", version=3, state=number, state_detail="why", engine="openvino/f32")
    summary = ModelSummary.of(message)
    assert (summary.name, summary.version, summary.state) == ("fashion", 3, state)
    assert (summary.state_detail, summary.engine, summary.raw) == ("why", "openvino/f32", message)


def test_a_state_of_a_newer_server_is_unspecified() -> None:
    message = model_pb2.ModelSummary.FromString(b"\x18\x63")  # field 3 is 99
    assert ModelSummary.of(message).state == "unspecified"


def test_a_model_that_is_ready() -> None:
    message = fashion()
    message.provenance.tools["torch"] = "2.9"
    model = Model.of(message)
    assert (model.name, model.version, model.state, model.state_detail) == ("fashion", 1, "ready", "")
    assert (model.family, model.labels) == ("vit", tuple(LABELS))
    assert (model.layers, model.heads, model.width, model.has_attention) == (LAYERS, HEADS, 192, True)
    assert (model.input.width, model.input.height) == (28, 28)
    assert (model.input.resize_mode, model.input.resize_to) == ("squash", (28, 28))
    assert (model.input.interpolation, model.input.mean, model.input.std) == ("bilinear", (0.5,) * 3, (0.5,) * 3)
    assert (model.tokens.grid_rows, model.tokens.grid_cols, model.tokens.pooling) == (ROWS, COLS, "cls")
    assert (model.tokens.patch_width, model.tokens.patch_height) == (4, 4)
    assert (model.tokens.cls_tokens, model.tokens.distillation_tokens, model.tokens.register_tokens) == (1, 0, 0)
    assert (model.provenance.source, model.provenance.tools) == ("fashion", {"torch": "2.9"})
    assert model.engine is not None and model.engine.name == "openvino"
    assert [entry.engine for entry in model.certificate] == ["openvino"]
    assert model.raw is message
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.version = 2  # type: ignore[misc]


def test_a_model_that_is_not_ready_has_no_engine() -> None:
    summary = model_pb2.ModelSummary(name="birds", version=12, state=model_pb2.MODEL_STATE_FAILED, state_detail="why")
    model = Model.of(model_pb2.Model(summary=summary))
    assert (model.state, model.state_detail, model.engine, model.certificate) == ("failed", "why", None, ())


def test_the_shortest_edge_has_one_size() -> None:
    message = model_pb2.InputContract(resize_mode=image_pb2.RESIZE_MODE_SHORTEST_EDGE, resize_to=[256])
    contract = InputContract.of(message)
    assert (contract.resize_mode, contract.resize_to) == ("shortest_edge", (256,))


def test_a_temperature_and_a_server_that_is_older_than_it() -> None:
    message = fashion()
    assert Model.of(message).temperature == 1
    message.temperature = 1.7
    assert Model.of(message).temperature == 1.7
