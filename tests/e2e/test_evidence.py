"""Why this class, and why not that one: a real server on a socket against the checkpoint in PyTorch."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from grpc import RpcError, StatusCode
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from tests.conftest import FASHION
from tests.e2e.harness import RunningServer, numbered
from vitscope import Client, InvalidRequest, When
from vitscope.client.evidence import Evidence
from vitscope.client.result import AttentionMap
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

LABELS = ("ankle-boot", "bag", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "t-shirt", "trouser")


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[RunningServer]:
    with RunningServer(models, "--precision", "f32", "--image-decoding", "exact") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address) as opened:
        yield opened


def in_pytorch(data: bytes, wanted: int) -> tuple[np.ndarray, float]:
    """Return the integrated shares of the patches in a class's log-probability by automatic differentiation, and that.

    The path goes from nothing read in the last block to all that was read, with attention fixed.
    """
    processor = AutoImageProcessor.from_pretrained(FASHION, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(FASHION, attn_implementation="eager").eval()
    image = processor(Image.open(io.BytesIO(data)).convert("RGB"), return_tensors="pt")
    reads: dict[str, torch.Tensor] = {}
    named = dict(model.named_modules())
    (value,) = (name for name in named if name.endswith(f"{model.config.num_hidden_layers - 1}.attention.v_proj"))
    block = named[value.removesuffix(".attention.v_proj")]
    block.register_forward_hook(lambda module, given, made: reads.update(tokens=given[0]))
    named[value].register_forward_hook(lambda module, given, made: reads.update(value=made - module.bias))
    with torch.no_grad():
        out = model(**image, output_attentions=True)
    rows, heads = out.attentions[-1][0, :, 0], model.config.num_attention_heads
    values = reads["value"][0].unflatten(-1, (heads, -1))
    project = next(module for name, module in block.named_modules() if name.endswith("o_proj"))
    added = (rows.T[..., None] * values).flatten(1) @ project.weight.T
    bias = named[value].bias @ project.weight.T + project.bias
    base = reads["tokens"][0, 0] + bias
    shares, nodes = torch.zeros(len(added)), 64
    for node in range(nodes):
        read = (base + (node + 0.5) / nodes * added.sum(0)).detach().requires_grad_()
        mlp = dict(block.named_children())
        fed = read + mlp["mlp"](mlp["layernorm_after"](read))
        score = model.classifier(model.vit.layernorm(fed)).log_softmax(-1)[wanted]
        (gradient,) = torch.autograd.grad(score, read)
        shares += added @ gradient / nodes
    return shares[1:].detach().numpy(), float(out.logits[0].log_softmax(-1)[wanted])


def about(one: AttentionMap) -> Evidence:
    assert one.evidence is not None
    return one.evidence


def test_maps_are_those_of_pytorch(client: Client, photo: bytes) -> None:
    result = client.classify(photo, model="fashion", method="evidence", classes=[3, "bag"], top_k=10)
    for one, index in zip(result.maps, (3, 1), strict=True):
        values, target = in_pytorch(photo, index)
        assert about(one).explained.index == one.class_index == index
        assert about(one).explained.label == LABELS[index]
        assert one.values.ravel() == pytest.approx(values, abs=1e-4 * float(np.linalg.norm(values)))
        assert about(one).ledger.target == pytest.approx(target, abs=1e-4)
        probability = next(c.probability for c in result.classes if c.index == index)
        assert np.exp(about(one).ledger.target) == pytest.approx(probability, rel=1e-4)


@pytest.mark.parametrize("model", ["fashion", "registers"])
def test_the_ledger_adds_up(client: Client, photo: bytes, model: str) -> None:
    result = client.classify(photo, model=model, method="evidence", top_classes=3)
    assert [about(one).explained.index for one in result.maps] == [c.index for c in result.classes[:3]]
    for one in result.maps:
        ledger = about(one).ledger
        assert ledger.base is not None and ledger.cls_self is not None and ledger.registers is not None
        assert ledger.patches == pytest.approx(float(one.values.sum()), abs=1e-5)
        assert ledger.base + ledger.patches + ledger.cls_self + ledger.registers == pytest.approx(
            ledger.target, abs=1e-3
        )
        assert abs(ledger.completeness_error) < 1e-3
        assert (ledger.registers != 0) == (model == "registers")
        assert 0 <= about(one).border_share <= 1


def test_a_contrast_is_the_subtraction_of_two_maps(client: Client, photo: bytes) -> None:
    two = client.classify(photo, model="fashion", method="evidence", classes=["sneaker", "ankle-boot"]).maps
    (one,) = client.classify(photo, model="fashion", method="evidence", classes="sneaker", versus="ankle-boot").maps
    assert about(one).versus is not None
    np.testing.assert_array_equal(one.values, two[0].values - two[1].values)
    targets = [about(each).ledger.target for each in two]
    assert about(one).ledger.target == pytest.approx(targets[0] - targets[1], abs=1e-5)


def test_when_it_helps(server: RunningServer, client: Client, photo: bytes) -> None:
    confidence = client.classify(photo, model="fashion").classes[0].probability
    ran = server.metric("vitscope_batch_size_sum", graph="evidence")
    sure = client.classify(photo, model="fashion", method="evidence", when=When.confidence_below(confidence - 0.01))
    assert sure.maps_decision is not None and sure.maps == ()
    assert (sure.maps_decision.made, sure.maps_decision.value) == (False, pytest.approx(confidence))
    assert server.metric("vitscope_batch_size_sum", graph="evidence") == ran
    doubtful = client.classify(photo, model="fashion", method="evidence", when=When.confidence_below(1))
    assert doubtful.maps_decision is not None and doubtful.maps_decision.made
    (always,) = client.classify(photo, model="fashion", method="evidence").maps
    assert doubtful.maps[0].values == pytest.approx(always.values, abs=1e-6)
    others = client.classify(photo, model="fashion", attention="all", when=When.margin_below(1)).maps
    assert len(others) == client.get_model("fashion").layers


def test_traffic_mixes_requests_with_and_without(client: Client, photo: bytes) -> None:
    (alone,) = client.classify(photo, model="fashion", method="evidence", classes=[4]).maps

    def ask(number: int) -> list[AttentionMap]:
        options = [
            {},
            {"method": "evidence", "classes": [4]},
            {"method": "evidence", "top_classes": 5},
            {"attention": "last"},
        ]
        return list(client.classify(numbered(photo, number), model="fashion", **options[number % 4]).maps)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(32)))
    assert [len(maps) for maps in found] == [0, 1, 5, 1] * 8
    for maps in found[1::4]:
        assert maps[0].values == pytest.approx(alone.values, abs=1e-6)
    assert all(about(maps[0]).explained == about(found[2][0]).explained for maps in found[2::4])


def test_streams_and_pictures(client: Client, photo: bytes) -> None:
    from vitscope import RenderingOptions

    (alone,) = client.classify(photo, model="fashion", method="evidence", classes=[4], versus=1).maps
    photos = [numbered(photo, number) for number in range(5)]
    answers = client.classify_many(
        photos, model="fashion", method="evidence", classes=[4], versus=1, rendering=RenderingOptions(size=64)
    )
    for _, result in answers:
        assert not isinstance(result, Exception)
        (one,) = result.maps
        assert one.values == pytest.approx(alone.values, abs=1e-6)
        assert one.picture is not None and one.picture.width == 64


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"class_indices": [10]}, "maps.class_indices: 10; accepted: 0 to 9, the indices of the model's labels"),
        ({"class_labels": ["Sneaker"]}, f"maps.class_labels: 'Sneaker'; accepted: {', '.join(map(repr, LABELS))}"),
        ({"class_labels": ["bag", "bag"]}, "maps.class_labels: 'bag' a second time (class 1, 'bag'); accepted: each"),
        ({"class_indices": [1], "class_labels": ["bag"]}, "maps.class_labels: 'bag' a second time (class 1, 'bag')"),
        ({"class_indices": range(11)}, "maps.class_indices: 11 classes; accepted: at most 10 a request"),
        ({"class_indices": [1], "top_classes": 2}, "maps.top_classes: 2 beside class_indices; accepted: the most"),
        ({"top_classes": 11}, "maps.top_classes: 11; accepted: 1 to 10"),
        (
            {"class_indices": [3], "versus_index": 3},
            "maps.versus_index: class 3, 'dress', is the class explained itself",
        ),
        ({"class_labels": ["bag"], "versus_index": 1}, "maps.versus_index: class 1, 'bag', is the class explained"),
        ({"versus_label": "shoe"}, "maps.versus_label: 'shoe'; accepted: 'ankle-boot', 'bag'"),
        ({"versus_rank": 1}, "maps.versus_rank: rank 1 is the class explained itself; accepted: another class"),
        ({"versus_rank": 11}, "maps.versus_rank: 11; accepted: 1 to 10"),
        ({"mode": 9}, "maps.mode: 9; accepted: EVIDENCE_MODE_UNSPECIFIED = 0"),
        ({"when": 9}, "maps.when: 9; accepted: MAP_CONDITION_UNSPECIFIED = 0"),
        ({"when": maps_pb2.MAP_CONDITION_MARGIN_BELOW}, "maps.when_below: 0; accepted: above 0 and up to 1"),
        ({"when": maps_pb2.MAP_CONDITION_MARGIN_BELOW, "when_below": float("nan")}, "maps.when_below: nan; accepted"),
        ({"when_below": 0.5}, "maps.when_below: 0.5; accepted: 0 where maps are always made"),
        ({"layers": [0]}, "maps.layers: [0]; accepted: 5; evidence is what the last layer read"),
        ({"heads": [1]}, "maps.heads: [1]; accepted: none"),
        ({"method": maps_pb2.MAP_METHOD_ATTENTION, "class_indices": [1]}, "maps.class_indices: [1]; accepted: none"),
        (
            {"method": maps_pb2.MAP_METHOD_ATTENTION, "versus_index": 0},
            "maps.versus_index: 0; accepted: none; attention",
        ),
    ],
)
def test_what_cannot_be_asked_is_named(
    server: RunningServer, photo: bytes, options: dict[str, object], says: str
) -> None:
    asked = maps_pb2.MapOptions(**{"method": maps_pb2.MAP_METHOD_EVIDENCE, **options})  # type: ignore[arg-type]
    image = image_pb2.Image(encoded=photo)
    request = classifier_pb2.ClassifyRequest(image=image, model="fashion", maps=asked)
    with pytest.raises(RpcError) as caught:
        server.stub.Classify(request, timeout=20)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    assert str(caught.value.details()).startswith(says)  # type: ignore[attr-defined]


def test_the_most_probable_class_is_not_contrasted_with_itself(client: Client, photo: bytes) -> None:
    best = client.classify(photo, model="fashion").classes[0]
    with pytest.raises(InvalidRequest, match=r"is the class explained itself; accepted: another class"):
        client.classify(photo, model="fashion", method="evidence", versus=best.label)
    several = client.classify(photo, model="fashion", method="evidence", top_classes=3, versus=best.index).maps
    assert best.index not in {one.class_index for one in several} and len(several) == 2


def test_where_evidence_lies_is_a_metric_of_the_version(server: RunningServer, client: Client, photo: bytes) -> None:
    before = server.metric("vitscope_evidence_border_ratio_count", model="fashion")
    (one,) = client.classify(photo, model="fashion", method="evidence").maps
    assert server.metric("vitscope_evidence_border_ratio_count", model="fashion", version="1") == before + 1
    assert server.metric("vitscope_evidence_prefix_ratio_count", model="fashion") == before + 1
    assert about(one).prefix_share is not None
