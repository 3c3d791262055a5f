"""The rows of the server's pixels, on real images and with pixels that are wrong."""

from pathlib import Path

import numpy as np
import pytest

from vitscope.bundle import Bundle, Certificate
from vitscope.export.certificate import pixels
from vitscope.export.certificate.images import find_images
from vitscope.export.certificate.pixels import certify_pixels, prepare_as_served
from vitscope.export.certificate.reference import Reference, run_reference
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError
from vitscope.export.progress import Silent


@pytest.fixture(scope="module")
def files(photos: Path) -> list[Path]:
    return list(find_images(photos, photos).files)


@pytest.fixture(scope="module")
def reference(checkpoints: dict[str, Path], files: list[Path]) -> Reference:
    checkpoint = load_checkpoint(str(checkpoints["vit"]))
    return run_reference(checkpoint, checkpoint.processor, files, (), Silent())


@pytest.fixture
def vit(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["vit"]


def certified(bundle: Bundle, reference: Reference, files: list[Path]) -> Certificate:
    manifest = bundle.manifest
    graph = bundle.graph_path("classify")
    return certify_pixels(Certificate(), graph, manifest.input, manifest.tokens, reference, files, Silent())


def test_exact_pixels_are_those_of_the_processor(vit: Bundle) -> None:
    exact, scaled = vit.certificate.pixels
    assert (exact.decoding, exact.images, exact.enlarged, exact.agreement) == ("exact", 24, 0, 1)
    assert exact.passed and exact.max_logit_error < 1e-4 < exact.logit_spread
    assert (scaled.decoding, scaled.images, scaled.enlarged) == ("scaled", 24, 0)
    assert 1e-4 < scaled.mean_logit_error < scaled.max_logit_error


def test_other_pixels_fail(
    vit: Bundle, reference: Reference, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = prepare_as_served(vit.manifest.input, vit.manifest.tokens, files)
    assert not isinstance(served, str)
    wrong = {**served, "exact": 255 - served["exact"], "short": np.roll(served["short"], 3, axis=1)}
    monkeypatch.setattr(pixels, "prepare_as_served", lambda *_: wrong)
    with pytest.raises(ExportError, match=r"reads these images differently .* differ by up to .*; most in") as error:
        certified(vit, reference, files)
    assert "\n" not in str(error.value) and any(file.name in str(error.value) for file in files)
    wrong = {**wrong, "exact": served["exact"]}
    exact, scaled = certified(vit, reference, files).pixels
    assert exact.passed and not scaled.passed
    assert any("differ by up to" in shortfall for shortfall in scaled.shortfalls)


def test_where_the_servers_code_does_not_run_there_is_a_reason(
    vit: Bundle, reference: Reference, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "TOOL", "vitscope.server.tools.no_such_tool")
    found = certified(vit, reference, files)
    assert not found.pixels
    assert "No module named" in found.not_measured["pixels/scaled"]
