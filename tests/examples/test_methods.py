"""Methods side by side, as far as they need no captum."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.methods.forward import attention, chance, evidence, evidence_rollout, rollout
from examples.methods.layers import all_layers
from examples.methods.measure import Figures
from examples.methods.subject import Subject
from examples.methods.table import table
from vitscope.bundle import Interval

FASHION = Path(__file__).parents[2] / "examples" / "fashion"


@pytest.fixture(scope="module")
def subject(models: Path) -> Subject:
    return Subject(FASHION, models / "fashion" / "1")


@pytest.fixture(scope="module")
def images(subject: Subject) -> np.ndarray:
    files = sorted((FASHION / "samples").glob("*.png"))[::40]
    return np.stack([subject.prepared(Image.open(file)) for file in files])


def test_methods_are_of_the_same_model(subject: Subject, images: np.ndarray) -> None:
    passed = subject.passed(images)
    np.testing.assert_allclose(passed.logits.detach(), subject.classify(images)["logits"], atol=1e-4)
    np.testing.assert_allclose(subject.head(passed.states[-1]).detach(), passed.logits.detach(), atol=1e-4)
    last = passed.matrices[-1][:, :, 0, 1:].mean(dim=1).detach().numpy()
    np.testing.assert_allclose(attention(subject, images, np.zeros(len(images), np.int64)), last, atol=1e-5)


def test_maps_are_finite_and_of_a_class_where_they_say_so(subject: Subject, images: np.ndarray) -> None:
    first, second = (np.full(len(images), label, np.int64) for label in (2, 7))
    for method, blind in (
        (chance, False), (attention, True), (rollout, True), (evidence("evidence"), False), (evidence_rollout, False),
        (all_layers, False),
    ):  # fmt: skip
        one, other = (method(subject, images, classes) for classes in (first, second))
        assert one.shape == (len(images), 49) and np.isfinite(one).all()
        assert np.array_equal(one, other) == blind


def test_the_table_has_intervals_and_dashes() -> None:
    found = Figures({"SRG": Interval(mean=0.25, low=0.2, high=0.32)}, 3.14)
    rows = table({"ours": found}, ["SRG", "IoU"]).splitlines()
    assert rows == ["| method | SRG | IoU | ms |", "|---|---|---|---|", "| ours | 0.25 ± 0.06 | – | 3.1 |"]
