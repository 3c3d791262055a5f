"""Why a class, in a reply: as the server sends it, and as it is read here."""

import numpy as np
import pytest

from vitscope.client.evidence import Evidence, ExplainedClass, Ledger, When
from vitscope.client.request import classify_request
from vitscope.client.result import AttentionMap, Result
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

VALUES = np.array([[0.5, -0.25], [0.0, 1.0]], np.float32)


def message(**fields: object) -> maps_pb2.Map:
    evidence = maps_pb2.Evidence(
        explained=maps_pb2.ExplainedClass(index=7, label="sneaker"),
        target=maps_pb2.EVIDENCE_TARGET_LOG_PROBABILITY,
        mode=maps_pb2.EVIDENCE_MODE_INTEGRATED,
        ledger=maps_pb2.Ledger(target=1.0, base=-0.5, patches=1.25, cls_self=0.25, registers=0, last_block_share=0.5),
        shares=maps_pb2.EvidenceShares(border=1.0, prefix=0.125),
        **fields,  # type: ignore[arg-type]
    )
    values = VALUES.astype("<f4").tobytes()
    return maps_pb2.Map(
        method=maps_pb2.MAP_METHOD_EVIDENCE, layer=5, head=-1, rows=2, cols=2, values=values, evidence=evidence
    )


def replied(**fields: object) -> classifier_pb2.ClassifyResponse:
    geometry = image_pb2.Geometry(grid_to_image=[1, 0, 0, 0, 1, 0])
    return classifier_pb2.ClassifyResponse(geometry=geometry, **fields)  # type: ignore[arg-type]


def evidence_of(**fields: object) -> Evidence:
    found = AttentionMap.of(message(**fields)).evidence
    assert found is not None
    return found


def test_a_map_of_evidence_says_what_it_explains() -> None:
    one = AttentionMap.of(message())
    assert (one.method, one.class_index, one.rest) == ("evidence", 7, None)
    np.testing.assert_array_equal(one.values, VALUES)
    evidence = evidence_of()
    assert (evidence.explained, evidence.versus) == (ExplainedClass(7, "sneaker"), None)
    assert (evidence.target, evidence.mode) == ("log_probability", "integrated")
    assert evidence.ledger == Ledger(1.0, -0.5, 1.25, 0.25, 0.0, 0.0, 0.5)
    assert (evidence.border_share, evidence.prefix_share, evidence.outlier_share) == (1.0, 0.125, None)
    assert evidence.outliers is None


def test_a_contrast_and_outliers() -> None:
    versus = maps_pb2.ExplainedClass(index=0, label="ankle-boot")
    evidence = evidence_of(versus=versus, outliers=bytes([0b0110]))
    assert evidence.versus == ExplainedClass(0, "ankle-boot")
    np.testing.assert_array_equal(evidence.outliers, [[False, True], [True, False]])


def test_what_a_mode_does_not_know_is_none() -> None:
    ledger = Ledger.of(maps_pb2.Ledger(target=1.0, patches=0.75, completeness_error=0.25))
    assert ledger == Ledger(1.0, None, 0.75, None, None, 0.25, None)


def test_other_maps_and_replies_have_none() -> None:
    assert AttentionMap.of(maps_pb2.Map(rows=2, cols=2, values=VALUES.tobytes())).evidence is None
    assert Result.of(replied()).maps_decision is None


def test_a_decision_is_read() -> None:
    decision = maps_pb2.MapsDecision(when=maps_pb2.MAP_CONDITION_MARGIN_BELOW, below=0.2, value=0.7)
    found = Result.of(replied(maps_decision=decision)).maps_decision
    assert found is not None
    assert (found.made, found.when, found.value) == (False, When.margin_below(0.2), 0.7)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"classes": "sneaker"}, {"class_labels": ["sneaker"]}),
        ({"classes": 0}, {"class_indices": [0]}),
        ({"classes": ["bag", 3, "coat", np.int64(4)]}, {"class_labels": ["bag", "coat"], "class_indices": [3, 4]}),
        ({"top_classes": 3, "versus": 0}, {"top_classes": 3, "versus_index": 0}),
        ({"versus": "bag"}, {"versus_label": "bag"}),
        ({"versus_rank": 2, "mode": "gradient"}, {"versus_rank": 2, "mode": maps_pb2.EVIDENCE_MODE_GRADIENT}),
        (
            {"when": When.confidence_below(0.8)},
            {"when": maps_pb2.MAP_CONDITION_CONFIDENCE_BELOW, "when_below": 0.8},
        ),
        ({}, {}),
    ],
)
def test_options_become_fields(options: dict[str, object], expected: dict[str, object]) -> None:
    found = classify_request(b"photo", method="evidence", **options).maps  # type: ignore[arg-type]
    common = {"method": maps_pb2.MAP_METHOD_EVIDENCE, "dtype": maps_pb2.DATA_TYPE_FLOAT32}
    assert found == maps_pb2.MapOptions(**common, **expected)  # type: ignore[arg-type]
