"""The bars of the certificate, with engines that are wrong in known ways."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vitscope.bundle import Bundle, Certificate
from vitscope.export.certificate.certify import certify, measure, require
from vitscope.export.certificate.engines import Candidate, Run, candidates
from vitscope.export.certificate.images import find_images
from vitscope.export.certificate.reference import Reference, run_reference
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError
from vitscope.export.methods import Attention, Evidence
from vitscope.export.progress import Silent

Damage = Callable[[dict[str, np.ndarray]], None]


@pytest.fixture(scope="module")
def reference(checkpoints: dict[str, Path], photos: Path) -> Reference:
    checkpoint = load_checkpoint(str(checkpoints["vit"]))
    files = find_images(photos, photos).files
    return run_reference(checkpoint, checkpoint.processor, files, [Attention(), Evidence()], Silent())


@pytest.fixture
def graphs(bundles: dict[str, Bundle]) -> dict:  # type: ignore[type-arg]
    return {name: bundles["vit"].graph_path(name) for name in bundles["vit"].manifest.graphs}


def damaged(damage: Damage, precision: str) -> Candidate:
    """Return ONNX Runtime with altered outputs."""

    def load(path: Path) -> Run:
        run = candidates()[0].load(path)

        def altered(pixels: np.ndarray, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
            outputs = run(pixels, **inputs)
            damage(outputs)
            return outputs

        return altered

    return Candidate("onnxruntime", precision, load)


def shift(outputs: dict[str, np.ndarray]) -> None:
    outputs["logits"] += 3e-4


def swap(outputs: dict[str, np.ndarray]) -> None:
    outputs["logits"] = outputs["logits"][:, ::-1]


def poison(outputs: dict[str, np.ndarray]) -> None:
    outputs["logits"][0, 0] = np.nan


def blur(outputs: dict[str, np.ndarray]) -> None:
    if "attention" in outputs:
        outputs["attention"] = 0.2 * outputs["attention"] + 0.8 * outputs["attention"].mean(-1, keepdims=True)


def cross(outputs: dict[str, np.ndarray]) -> None:
    """Reverse the row of one head of one image, in the `classify` graph only: there rows are [N, H, P]."""
    if "attention" in outputs and outputs["attention"].ndim == 3:
        outputs["attention"][0, 0] = outputs["attention"][0, 0, ::-1]


def enlarge(outputs: dict[str, np.ndarray]) -> None:
    if "evidence" in outputs:
        outputs["evidence"] *= 1.0005


def steepen(outputs: dict[str, np.ndarray]) -> None:
    if "evidence" in outputs:
        outputs["evidence_gradient"] *= 1.0005


def unbalance(outputs: dict[str, np.ndarray]) -> None:
    if "evidence" in outputs:
        outputs["evidence_ledger"][0, 0, 1] += 0.01 * outputs["logits"].std()


def turn(outputs: dict[str, np.ndarray]) -> None:
    if "evidence" in outputs:
        outputs["evidence"] = outputs["evidence"][..., ::-1]


def drift(outputs: dict[str, np.ndarray]) -> None:
    """Shift the logits of the evidence graph alone, by less than what they may differ from the checkpoint's."""
    if "evidence" in outputs:
        outputs["logits"] += 1.5e-4
    else:
        outputs["logits"] -= 0.5e-4


@pytest.mark.parametrize(
    ("damage", "precision", "message"),
    [
        (shift, "f32", "logits differ by up to 3."),
        (shift, "bf16", ""),
        (swap, "bf16", "top-1 agrees on"),
        (poison, "bf16", "9 output values are NaN or infinite"),
        (blur, "f32", "the attention cosine falls to"),
        (blur, "bf16", "the mean attention cosine of a layer is"),
        (cross, "bf16", "the attention cosine falls to"),
        (enlarge, "f32", "integrated evidence is 5."),
        (enlarge, "bf16", ""),
        (steepen, "f32", "gradient evidence is 5."),
        (unbalance, "f32", "evidence adds up to the target but for"),
        (unbalance, "bf16", ""),
        (turn, "bf16", "the mean rank correlation of evidence is"),
        (drift, "f32", "logits of the graphs evidence and classify differ by 2.0e-04, at most 1."),
    ],
)
def test_every_bar(damage: Damage, precision: str, message: str, graphs: dict[str, Path], reference: Reference) -> None:
    entry = measure(damaged(damage, precision), graphs, reference, Silent())  # type: ignore[arg-type]
    assert entry.images == 24 and entry.passed == (not message)
    assert message in "; ".join(entry.shortfalls)
    if damage is poison:
        assert entry.non_finite == 9 and entry.max_logit_error is None
    certificate = Certificate(entries=(entry,))
    if not message:
        require(certificate, allow_uncertified=False)
        return
    with pytest.raises(ExportError, match="nothing was published") as error:
        require(certificate, allow_uncertified=False)
    assert message in str(error.value)
    assert ("--allow-uncertified" in str(error.value)) == (precision != "f32")
    if precision == "f32":
        with pytest.raises(ExportError, match="float32 must match"):
            require(certificate, allow_uncertified=True)
    else:
        require(certificate, allow_uncertified=True)


def test_undamaged_engines_pass_in_float32(graphs: dict[str, Path], reference: Reference) -> None:
    certificate = certify(graphs, reference, "0" * 64, Silent())  # type: ignore[arg-type]
    assert certificate.images_sha256 == "0" * 64 and certificate.processor
    found = {(e.engine, e.precision): e.passed for e in certificate.entries}
    assert found[("onnxruntime", "f32")] and found[("openvino", "f32")]
    assert len(found) + len(certificate.not_measured) == 3


def test_a_precision_that_the_processor_lacks_is_recorded(
    graphs: dict[str, Path], reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = [candidates()[0], Candidate("openvino", "bf16", candidates()[2].load, missing="no bfloat16")]
    monkeypatch.setattr("vitscope.export.certificate.certify.candidates", lambda: without)
    certificate = certify(graphs, reference, "0" * 64, Silent())  # type: ignore[arg-type]
    assert certificate.not_measured == {"openvino/bf16": "no bfloat16"}
    assert certificate.entry("openvino", "bf16") is None
