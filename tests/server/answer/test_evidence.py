"""Why this class, and why not that one: the way of a question through all stages, without a transport."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.answer.serving import Serving, numbered
from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, explained, write_graph
from tests.server.models.bundles import write_explaining_bundle
from vitscope.server.answer.answer import Classification
from vitscope.server.answer.ask import Ask
from vitscope.server.errors import Outcome
from vitscope.server.maps.classes import ClassOptions
from vitscope.server.maps.condition import When
from vitscope.server.maps.map import Map
from vitscope.server.maps.options import MapOptions

LABELS = ("boot", "shoe", "bag")


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(tmp_path / "cache", engine="onnxruntime")
    await serving.load(write_explaining_bundle(tmp_path / "models", "a", 1, tmp_path, labels=LABELS))
    yield serving
    await serving.close()


def why(number: int, when: When | None = None, **classes: Any) -> Ask:
    """Ask why image `number` is of these classes."""
    options = MapOptions("evidence", classes=ClassOptions(**classes), **({} if when is None else {"when": when}))
    return replace(numbered(number), maps=options)


async def answered(serving: Serving, ask: Ask, **options: Any) -> Classification:
    return (await serving.ask(ask, **options)).unwrap().classification


async def maps(serving: Serving, number: int, **classes: Any) -> list[Map]:
    return [item.map for item in (await answered(serving, why(number, **classes))).maps]


def expected(number: int, classes: Sequence[int], tmp_path: Path) -> np.ndarray:
    """Return the maps that the graph makes of these classes, computed here."""
    image = np.frombuffer(numbered(number).image.data, np.uint8).reshape(1, HEIGHT, WIDTH, 3)
    values, _ = explained(image, np.array([classes]), write_graph(tmp_path / "again.onnx"))
    return values[0].reshape(len(classes), 2, 3)


def lanes(serving: Serving) -> set[str]:
    return {lane.graph for lane in serving.repository.ready("a", 0).open_lanes}


async def test_the_graph_is_opened_when_it_is_first_asked_for(serving: Serving) -> None:
    await answered(serving, numbered(1))
    assert lanes(serving) == {"classify"}
    await maps(serving, 1)
    assert lanes(serving) == {"classify", "evidence"}


async def test_unasked_the_most_probable_class_is_explained(serving: Serving, tmp_path: Path) -> None:
    (one,) = await maps(serving, 3)
    evidence = one.evidence
    assert evidence is not None and evidence.versus is None
    assert (evidence.explained.index, evidence.explained.label) == (2, "bag")
    assert (one.method, one.layer, one.head) == ("evidence", 1, -1)
    assert (evidence.target, evidence.mode) == ("log_probability", "integrated")
    np.testing.assert_allclose(one.values, expected(3, [2], tmp_path)[0], rtol=1e-5)


async def test_classes_are_explained_in_the_order_asked_for_by_index_and_label(
    serving: Serving, tmp_path: Path
) -> None:
    found = await maps(serving, 3, class_indices=[1], class_labels=["bag", "boot"])
    assert [one.evidence and one.evidence.explained.index for one in found] == [1, 2, 0]
    for one, values in zip(found, expected(3, [1, 2, 0], tmp_path), strict=True):
        np.testing.assert_allclose(one.values, values, rtol=1e-5)


async def test_the_ledger_adds_up(serving: Serving) -> None:
    for one in await maps(serving, 2, top_classes=3):
        ledger = one.evidence and one.evidence.ledger
        assert ledger and None not in (ledger.base, ledger.cls_self, ledger.registers, ledger.last_block_share)
        assert ledger.patches == one.sum == pytest.approx(float(one.values.sum()))
        parts = (ledger.base, ledger.patches, ledger.cls_self, ledger.registers, ledger.completeness_error)
        assert sum(part or 0 for part in parts) == pytest.approx(ledger.target, abs=1e-5)
        assert abs(ledger.completeness_error) < 1e-4
        assert ledger.target <= 0, "a log-probability"


async def test_a_contrast_is_the_exact_difference(serving: Serving) -> None:
    """A caller who subtracts two maps gets the very same numbers."""
    bag, shoe = await maps(serving, 4, class_labels=["bag", "shoe"])
    for versus in ({"versus_label": "shoe"}, {"versus_index": 1}, {"versus_rank": 2}):
        (one,) = await maps(serving, 4, class_labels=["bag"], **versus)
        np.testing.assert_array_equal(one.values, bag.values - shoe.values)
        assert one.evidence and bag.evidence and shoe.evidence
        assert (one.evidence.explained.label, one.evidence.versus and one.evidence.versus.label) == ("bag", "shoe")
        for term in ("target", "base", "cls_self", "registers"):
            difference = getattr(bag.evidence.ledger, term) - getattr(shoe.evidence.ledger, term)
            assert getattr(one.evidence.ledger, term) == pytest.approx(difference, abs=1e-5)
        assert one.evidence.ledger.last_block_share is None


async def test_of_the_most_probable_classes_the_one_to_contrast_with_is_left_out(serving: Serving) -> None:
    found = await maps(serving, 4, top_classes=3, versus_label="shoe")
    assert [one.evidence and one.evidence.explained.label for one in found] == ["bag", "boot"]


async def test_the_most_probable_class_is_not_contrasted_with_itself(serving: Serving) -> None:
    answer = await serving.ask(why(4, versus_label="bag"))
    assert answer.outcome is Outcome.INVALID
    assert str(answer.error) == (
        "versus_label: class 2, 'bag', is the class explained itself; accepted: another class than those explained"
    )


async def test_modes_are_other_outputs_of_the_same_run(serving: Serving) -> None:
    (integrated,) = await maps(serving, 4)
    (gradient,), (direct,) = await maps(serving, 4, mode="gradient"), await maps(serving, 4, mode="direct")
    np.testing.assert_array_equal(gradient.values, 2 * integrated.values)
    np.testing.assert_array_equal(direct.values, -integrated.values)
    assert gradient.evidence and integrated.evidence
    ledger = gradient.evidence.ledger
    assert (ledger.base, ledger.cls_self, ledger.registers, ledger.last_block_share) == (None, None, None, None)
    assert ledger.target == integrated.evidence.ledger.target
    assert ledger.patches + ledger.completeness_error == pytest.approx(ledger.target)


async def test_a_batch_mixes_requests_for_different_classes(serving: Serving, tmp_path: Path) -> None:
    classes: list[tuple[int, ...]] = [(0,), (1, 2), (2, 0, 1), (), (1,)]
    asks = [why(number, class_indices=wanted) for number, wanted in enumerate(classes)]
    asks += [numbered(number) for number in range(5)]
    found = await asyncio.gather(*(answered(serving, ask, bulk=number % 2 == 0) for number, ask in enumerate(asks)))
    for number, wanted in enumerate(classes):
        values = [item.map.values for item in found[number].maps]
        np.testing.assert_allclose(values, expected(number, wanted or (2,), tmp_path), rtol=1e-5)
    assert all(not plain.maps for plain in found[5:])
    assert {engine.engine.name for engine in found} == {"onnxruntime"}


async def test_equal_requests_share_an_answer_and_other_classes_do_not(serving: Serving) -> None:
    await maps(serving, 0)
    asks = [
        why(9, class_indices=[0]),
        why(9, class_labels=["boot"]),
        why(9, class_indices=[1]),
        why(9, class_indices=[0], versus_index=1),
        why(9, class_indices=[0], mode="direct"),
        numbered(9),
    ]
    found = await asyncio.gather(*(answered(serving, ask) for ask in asks))
    assert [one.origin for one in found] == ["computed", "shared", "computed", "computed", "shared", "computed"]
    first, same, other, contrast, direct, plain = ([item.map for item in one.maps] for one in found)
    np.testing.assert_array_equal(first[0].values, same[0].values)
    np.testing.assert_array_equal(contrast[0].values, first[0].values - other[0].values)
    np.testing.assert_array_equal(direct[0].values, -first[0].values)
    assert plain == []


# When it helps


@pytest.mark.parametrize(
    ("when", "number", "made"),
    [
        (When("confidence_below", 0.6), 1, True),
        (When("confidence_below", 0.4), 1, False),
        (When("confidence_below", 0.6), 20, False),
        (When("margin_below", 0.2), 1, True),
        (When("margin_below", 0.1), 1, False),
        (When("margin_below", 1.0), 20, True),
    ],
)
async def test_maps_are_made_only_where_they_help(serving: Serving, when: When, number: int, made: bool) -> None:
    found = await answered(serving, why(number, when))
    assert found.decision is not None
    assert (found.decision.made, bool(found.maps), found.decision.when) == (made, made, when)
    plain = await answered(serving, replace(numbered(number), top_k=2))
    first, second = plain.classes[0].probability, plain.classes[1].probability
    value = first if when.condition == "confidence_below" else first - second
    assert found.decision.value == pytest.approx(value)
    assert lanes(serving) == ({"classify", "evidence"} if made else {"classify"})


async def test_the_image_is_decoded_once(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both graphs run on the pixels of one decode, and the maps are those that are made without a condition."""
    decodes: list[int] = []

    def counted(*arguments: Any) -> Any:
        decodes.append(1)
        return prepare_raw(*arguments)

    from vitscope.server.images.prepare import prepare_raw

    monkeypatch.setattr("vitscope.server.answer.query.prepare_raw", counted)
    found = await answered(serving, why(1, When("confidence_below", 1.0), class_indices=[0, 1]))
    assert len(decodes) == 1
    plain = await answered(serving, why(1, class_indices=[0, 1]))
    for one, other in zip(found.maps, plain.maps, strict=True):
        np.testing.assert_array_equal(one.map.values, other.map.values)


async def test_nothing_is_run_for_maps_that_are_not_made(serving: Serving) -> None:
    await maps(serving, 1)
    (lane,) = (lane for lane in serving.repository.ready("a", 0).open_lanes if lane.graph == "evidence")
    before = lane.served
    await answered(serving, why(20, When("confidence_below", 0.5)))
    assert lane.served == before
    await answered(serving, why(2, When("confidence_below", 1.0)))
    assert lane.served > before


async def test_a_bound_that_means_nothing_is_refused(tmp_path: Path, serving: Serving) -> None:
    answer = await serving.ask(why(1, When("confidence_below", 0.0)))
    assert str(answer.error) == "when_below: 0; accepted: above 0 and up to 1"
    answer = await serving.ask(why(1, When("always", 0.5)))
    assert str(answer.error) == "when_below: 0.5; accepted: 0 where maps are always made"


async def test_plain_values_have_no_confidence(tmp_path: Path, serving: Serving) -> None:
    await serving.load(write_explaining_bundle(tmp_path / "models", "v", 1, tmp_path, activation="none"))
    answer = await serving.ask(replace(why(1, When("margin_below", 0.5)), model="v"))
    assert str(answer.error).startswith("when: margin_below; accepted: always")
    (one,) = (await serving.ask(replace(why(1), model="v"))).unwrap().classification.maps
    assert one.map.evidence and one.map.evidence.target == "logit"


async def test_where_evidence_lies_is_counted(serving: Serving) -> None:
    await maps(serving, 4)
    value = serving.metrics.registry.get_sample_value
    labels = {"model": "a", "version": "1"}
    assert value("vitscope_evidence_border_ratio_sum", labels) == 1, "a grid of two rows is all border"
    assert value("vitscope_evidence_prefix_ratio_count", labels) == 1
    assert value("vitscope_evidence_outlier_ratio_count", labels) == 1
    await answered(serving, numbered(4))
    assert value("vitscope_evidence_border_ratio_count", labels) == 1
    assert value("vitscope_map_requests_total", {**labels, "method": "evidence"}) == 1


def test_the_sample_has_as_many_labels_as_classes() -> None:
    assert len(LABELS) == CLASSES
