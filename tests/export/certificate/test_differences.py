"""The differences, from outputs that are off by known amounts."""

import numpy as np
import pytest

from tests.export.methods.samples import PatchSimilarity
from vitscope.bundle import CLASSIFY
from vitscope.export.certificate.differences import Differences
from vitscope.export.certificate.engines import candidates
from vitscope.export.certificate.reference import Reference
from vitscope.export.methods import Attention

ATTENTION, SIMILARITY = Attention(), PatchSimilarity()
F32 = candidates()[0]
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.random((4, 3), np.float32)
ROWS = {ATTENTION: RANDOM.random((4, 2, 2, 10), np.float32), SIMILARITY: RANDOM.random((4, 1, 9), np.float32)}
REFERENCE = Reference(np.zeros((4, 1, 1, 3), np.uint8), LOGITS, ROWS)


def outputs() -> dict[str, np.ndarray]:
    """Return outputs of the `classify` graph that equal the reference."""
    last, similarity = ROWS[ATTENTION][:, -1].copy(), ROWS[SIMILARITY][:, 0].copy()
    return {
        "logits": LOGITS.copy(),
        "attention": last[..., 1:],
        "attention_prefix": last[..., :1],
        "patch_similarity": similarity,
    }


def test_equal_outputs() -> None:
    differences = Differences(F32, REFERENCE.scale)
    for part in (slice(0, 3), slice(3, 4)):
        differences.add(CLASSIFY, {name: value[part] for name, value in outputs().items()}, REFERENCE[part])
    entry = differences.entry(4)
    assert entry.passed and (entry.top1_agreement, entry.max_logit_error, entry.non_finite) == (1, 0, 0)
    for found in entry.cosines.values():
        assert found.lowest == pytest.approx(1) and found.mean == pytest.approx(1)
    assert entry.min_attention_cosine == entry.cosines["attention"].lowest


def test_each_method_has_its_own_bar() -> None:
    found, differences = outputs(), Differences(F32, REFERENCE.scale)
    found["patch_similarity"] = found["patch_similarity"][:, ::-1]
    differences.add(CLASSIFY, found, REFERENCE)
    entry = differences.entry(4)
    (message,) = entry.shortfalls
    lowest = entry.cosines["patch_similarity"].lowest
    assert message == f"the patch_similarity cosine falls to {lowest:.5f}, at least 0.9999 is accepted"
    assert lowest < entry.cosines["patch_similarity"].mean < 0.99 < entry.cosines["attention"].lowest


def test_without_methods_there_are_no_cosines() -> None:
    differences = Differences(F32, REFERENCE.scale)
    differences.add(CLASSIFY, {"logits": LOGITS}, Reference(REFERENCE.pixels, LOGITS, {}))
    entry = differences.entry(4)
    assert entry.passed and entry.cosines == {} and entry.min_attention_cosine is None
