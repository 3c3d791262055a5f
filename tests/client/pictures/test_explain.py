"""The picture of an explained answer: what it says of each method's maps."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.client.servicer import LABELS, answer, fashion
from vitscope.client.evidence import Evidence, ExplainedClass, Ledger
from vitscope.client.model import Model
from vitscope.client.pictures.explain import draw_explanation
from vitscope.client.pictures.stories import story_of
from vitscope.client.request import classify_request
from vitscope.client.result import AttentionMap, Result
from vitscope.drawing import write

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
PHOTO, MODEL = Image.fromarray(PIXELS), Model.of(fashion())
VALUES = np.zeros((5, 7), np.float32)
VALUES[0, 0], VALUES[4, 6], VALUES[2, 3] = 0.75, 0.25, -0.4
LEDGER = Ledger(-0.5, -1.2, 0.6, 0.1, 0.0, 0.0, 0.4)


def result(*maps: AttentionMap, **changes: object) -> Result:
    given = Result.of(answer(classify_request(PIXELS, top_k=10)))
    return replace(given, maps=maps, **changes)  # type: ignore[arg-type]


def one_map(**changes: object) -> AttentionMap:
    made = AttentionMap(3, None, VALUES, 0.1, 0.0, 0.0, None, method="attention")
    return replace(made, **changes)  # type: ignore[arg-type]


def evidence(index: int = 7, versus: int | None = None, **changes: object) -> AttentionMap:
    other = None if versus is None else ExplainedClass(versus, LABELS[versus])
    made = Evidence(
        ExplainedClass(index, LABELS[index]),
        other,
        "log_probability",
        "integrated",
        LEDGER,
        "last_attention",
        0.2,
        0.1,
        0.3,
        None,
    )
    return one_map(method="evidence", class_index=index, evidence=replace(made, **changes))  # type: ignore[arg-type]


def text_of(shown: Result) -> str:
    root = ElementTree.fromstring(write(draw_explanation(PHOTO, shown, MODEL, "photo.jpg")))
    return " ".join("".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text"))


def test_evidence_for_a_class() -> None:
    text = text_of(result(evidence()))
    for part in (
        "Evidence for “sneaker”", "Explained: “sneaker”", "share in the log-probability", "Orange speaks for “sneaker”",
        "at the top left (75%) and the bottom right (25%)", "before the last block −1.20", "patches +0.60",
        "class token itself +0.10", "log-probability −0.50", "nats",
        "What was read in the last attention is 40% of what made the answer: the map is the smaller part of the story.",
        "30% of the evidence is on outliers", "It is no proof that these pixels caused the answer",
    ):  # fmt: skip
        assert part in text, part
    assert "other tokens" not in text  # the model has none


def test_what_lowers_the_answer_is_said_to() -> None:
    text = text_of(result(evidence(ledger=replace(LEDGER, last_block_share=-0.3), outlier_share=0.0)))
    assert "What was read in the last attention takes away 30% of what made the answer" in text
    assert "outliers" not in text
    text = text_of(result(evidence(ledger=replace(LEDGER, last_block_share=0.001))))
    assert "is less than 1% of what made the answer" in text


def test_why_one_rather_than_another() -> None:
    shown = result(evidence(versus=9))
    chances = {one.index: f"{one.probability:.1%}" for one in shown.classes}
    text = text_of(shown)
    assert f"Why sneaker ({chances[7]}) rather than ankle boot ({chances[9]})" in text
    assert "“sneaker” less “ankle boot”" in text and "share in the log-odds" in text and "log-odds −0.50" in text


def test_other_modes_and_other_heads() -> None:
    known = Ledger(-0.5, None, 0.6, None, None, -1.1, None)
    text = text_of(result(evidence(mode="direct", ledger=known, outlier_share=None)))
    assert "Shares of the mode “direct” do not add up to the whole." in text
    assert "not explained −1.10" in text and "before the last block" not in text
    assert "share in the logit" in text_of(result(evidence(target="logit")))


def test_several_classes_have_one_scale() -> None:
    large = evidence(3)
    text = text_of(result(evidence(7), replace(large, values=VALUES * 2)))
    assert text.count("−1.5") >= 2 and text.count("What it adds up to") == 2
    assert "Evidence for “sneaker”" in text and "Evidence for “dress”" in text


def test_the_map_of_a_linear_head() -> None:
    text = text_of(result(one_map(method="cam", class_index=2, rest=0.4)))
    assert "Shares in the logit of “pullover”" in text
    assert "no patch +0.40" in text and "logit +1.00" in text


def test_rollout_goes_through_all_layers() -> None:
    text = text_of(result(one_map(method="rollout", values=np.abs(VALUES) / 2)))
    assert "Rollout of attention" in text and "through all layers" in text and "half of each token to be itself" in text


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_answers_that_are_no_distribution(activation: str) -> None:
    text = text_of(result(one_map(), activation=activation))
    assert ("Probability of each label" if activation == "sigmoid" else "The answer") in text


def test_a_photo_without_any_class_and_one_of_any_shape() -> None:
    assert "No class is probable enough" in text_of(result(one_map(), classes=()))
    with pytest.raises(ValueError, match="0 maps; accepted: 1 to 48"):
        text_of(result())
    for shape in ((4, 900), (900, 4), (1, 1)):
        pixels = np.zeros((*shape, 3), np.uint8)
        given = Result.of(answer(classify_request(pixels, attention="last")))
        drawing = draw_explanation(Image.fromarray(pixels), given, MODEL, "photo.jpg")
        assert 300 < drawing.width < 1100 and drawing.height < 1400


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        ("cls", "what the class token read from that patch's token in the last attention"),
        ("cls+distillation", "what class and distillation token read"),
        ("mean", "that of its last token in the mean that is classified"),
        ("cls+mean", "and that of its last token in the mean"),
        ("attention", "what the pooling probe read"),
        ("something newer", "what the class token read"),
    ],
)
def test_what_a_share_is_goes_by_the_head(pooling: str, said: str) -> None:
    model = replace(MODEL, tokens=replace(MODEL.tokens, pooling=pooling))
    story = story_of(evidence(ledger=replace(LEDGER, cls_self=0.0, registers=0.25)), model)
    assert said in story.caveat
    assert [name for name, _ in story.parts][1:] == ["patches", "other tokens"]  # none of what is nothing
