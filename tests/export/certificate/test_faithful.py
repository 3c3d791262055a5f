"""What the certificate says of how faithful evidence is, for a model whose answer is a count of patches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vitscope.bundle import Activation, Faithfulness, TokenGeometry
from vitscope.export.certificate import faithful
from vitscope.export.certificate.faithful import Explained, certify_faithfulness, faithfulness_of, sure_from
from vitscope.export.certificate.reference import Reference
from vitscope.export.errors import ExportError
from vitscope.export.progress import Silent

GRID, PATCH, CLASSES = 6, 8, 5
TOKENS = TokenGeometry(patch_height=PATCH, patch_width=PATCH, grid_rows=GRID, grid_cols=GRID, pooling="cls")
RANDOM = np.random.default_rng(0)
Change = Callable[[np.ndarray], np.ndarray]


def images(classes: np.ndarray) -> np.ndarray:
    """Draw images with rough patches of their class's brightness among smooth ones, uint8 [N, 48, 48, 3]."""
    rough = np.kron([[1, -1], [-1, 1]], np.full((PATCH // 2, PATCH // 2), 18))
    cells = np.zeros((len(classes), GRID, GRID, PATCH, PATCH))
    for image, label in zip(cells, classes, strict=True):
        image[:] = RANDOM.integers(0, 256, (GRID, GRID, 1, 1))
        image[RANDOM.random((GRID, GRID)) < 0.4] = 25 + 50 * label + rough
    grey = np.clip(cells, 0, 255).swapaxes(2, 3).reshape(len(classes), GRID * PATCH, GRID * PATCH)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def patches(pixels: np.ndarray) -> np.ndarray:
    """Return which patches speak for which class, float32 [N, CLASSES, P]."""
    cells = pixels[..., 0].reshape(-1, GRID, PATCH, GRID, PATCH).swapaxes(2, 3).astype(float)
    means, rough = cells.mean(axis=(3, 4)), cells.std(axis=(3, 4)) > 5
    near = [np.abs(means - 25 - 50 * label) < 25 for label in range(CLASSES)]
    return np.stack([(rough & of).reshape(len(cells), -1) for of in near], axis=1).astype(np.float32)


def explained(change: Change = lambda maps: maps, activation: Activation = "softmax") -> Explained:
    def classify(pixels: np.ndarray, /, **_: np.ndarray) -> dict[str, np.ndarray]:
        found = patches(pixels)
        seed = np.random.default_rng(int(pixels.sum()))
        attention = seed.random((len(pixels), 2, GRID**2), dtype=np.float32)
        return {"logits": 0.8 * found.sum(axis=2), "attention": attention}

    def evidence(pixels: np.ndarray, /, target_class: np.ndarray) -> dict[str, np.ndarray]:  # type: ignore[misc]
        maps = np.take_along_axis(patches(pixels), target_class[..., None], axis=1)
        return {"evidence": change(maps)}

    return Explained(classify, evidence, TOKENS, activation, 1.0)


def measured(one: Explained, count: int = 60, classes: int = CLASSES) -> Faithfulness:
    pixels = images(np.arange(count) % classes)
    logits = one.classify(pixels)["logits"]
    return certify_faithfulness(one, Reference(pixels, logits, {}, one.activation))


def test_a_map_of_what_the_model_counts_is_above_chance_and_above_attention() -> None:
    found = measured(explained())
    assert found.confident == 60 and found.images == 24 and found.shortfalls == found.unproven == ()
    assert [row.fill for row in found.removals] == ["patch_mean", "mean_colour"]
    for row in found.removals:
        assert row.evidence.low > 0.2 and row.over_attention is not None and row.over_attention.low > 0
        assert row.insertion.mean - row.deletion.mean == pytest.approx(row.evidence.mean)
    assert found.mosaics == 15 and found.grid is not None and found.grid.low > 0.5


def test_a_map_that_says_the_opposite_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = explained(lambda maps: 1 - maps)
    found = measured(wrong)
    assert "SRG of evidence, patches becoming their mean colour, is -0." in " ".join(found.shortfalls)
    monkeypatch.setattr(faithful, "certify_faithfulness", lambda *_: found)
    monkeypatch.setattr(faithful, "candidates", lambda: [type("Any", (), {"load": staticmethod(lambda _: None)})])
    with pytest.raises(ExportError, match=r"worse than chance.* -0\..*accepted: --no-evidence, or --no-faithfulness"):
        faithfulness_of({"classify": Path(), "evidence": Path()}, TOKENS, Reference(*[np.empty(0)] * 2, {}), Silent())


def test_a_map_that_says_nothing_is_told() -> None:
    found = measured(explained(np.ones_like))
    assert found.shortfalls == () and len(found.unproven) == 3
    assert "and a random order has 0" in found.unproven[0] and "25.0% of the evidence in 15" in found.unproven[-1]


@pytest.mark.parametrize(
    ("count", "classes", "removals", "grid"),
    [
        (6, 5, "the model is sure of 6 of 6 images, and at least 8 are needed", "make 1 mosaics of four classes"),
        (60, 3, None, "make 0 mosaics of four classes each, and at least 6 are needed"),
    ],
)
def test_what_cannot_be_measured_says_why(count: int, classes: int, removals: str | None, grid: str) -> None:
    found = measured(explained(), count, classes)
    assert found.not_measured.get("removals") == removals and grid in found.not_measured["grid"]
    assert found.grid is None and bool(found.removals) == (removals is None)


def test_images_that_the_model_is_not_sure_of_do_not_count() -> None:
    pixels = images(np.arange(20) % CLASSES)
    found = certify_faithfulness(explained(), Reference(pixels, np.zeros((20, CLASSES), np.float32), {}))
    assert found.confident == 0 and found.removals == ()
    assert [sure_from(2, "softmax"), sure_from(10, "softmax"), sure_from(10, "sigmoid")] == [0.75, 0.55, 0.75]


def test_a_regression_has_no_such_figures() -> None:
    found = measured(explained(activation="none"))
    assert found.not_measured.keys() == {"removals", "grid"} and found.confident == 0
