"""The summary names what was published, how close it is to the checkpoint, and how to serve it."""

from pathlib import Path

import pytest

from tests.export.summary import printed
from vitscope.bundle import Bundle, Certificate, Faithfulness, Interval, Removal


def test_the_summary_has_shape_files_parity_and_the_serve_command(bundles: dict[str, Bundle], photos: Path) -> None:
    text = printed(bundles["dinov2-with-registers"], photos)
    assert "5 labels (softmax), input 42x42, 3x3 patches and 5 prefix tokens, 2 layers of 2 heads" in text
    assert "attention [N, 2, 2, 9]" in text and "graphs/weights.bin" in text
    assert f"on all 24 images of {photos}" in text and "pass" in text
    assert "vitscope serve models" in text
    assert "The server's exact pixels against the processor's own, 24 images: top-1 agreement 100.0%" in text


def test_paths_are_never_wrapped(bundles: dict[str, Bundle], photos: Path) -> None:
    assert f"{bundles['vit'].path}." in printed(bundles["vit"], photos, width=40)


@pytest.mark.parametrize("width", [60, 80])
def test_no_heading_or_figure_is_cut(width: int, bundles: dict[str, Bundle], photos: Path) -> None:
    bundle = bundles["vit"]
    changes = {"max_probability_error": 3e-5, "shortfalls": ("logits differ",)}
    changes["cosines"] = dict.fromkeys(("attention", "cam"), bundle.certificate.entries[0].cosines["attention"])
    certificate = Certificate(entries=tuple(e.model_copy(update=changes) for e in bundle.certificate.entries))
    manifest = bundle.manifest.model_copy(update={"activation": "sigmoid", "methods": ("attention", "cam")})
    text = printed(Bundle(bundle.path, manifest, certificate), photos, width=width)
    assert "…" not in text and "probability" in text
    assert "onnxruntime  f32        cam        1.000000  1.000000" in text


def test_independent_labels_and_values_are_told_apart(bundles: dict[str, Bundle], photos: Path) -> None:
    bundle = bundles["vit"]
    entries = tuple(e.model_copy(update={"max_probability_error": 3e-5}) for e in bundle.certificate.entries)
    scaled = bundle.certificate.pixels[1].model_copy(update={"shortfalls": ("logits differ by 7",), "enlarged": 5})
    certificate = Certificate(entries=entries, pixels=(scaled,))
    labels = bundle.manifest.model_copy(update={"activation": "sigmoid"})
    text = printed(Bundle(bundle.path, labels, certificate), photos, width=200)
    assert "same labels" in text and "probability error" in text and "3.0e-05" in text and "top-1" not in text
    assert "(5 of them enlarged)" in text and "below the bar: logits differ by 7. The server will use" in text
    values = bundle.manifest.model_copy(update={"activation": "none"})
    text = printed(Bundle(bundle.path, values, certificate), photos, width=200)
    assert "top-1" not in text and "probability" not in text and "its logits have a spread of" in text


def test_shortfalls_and_missing_measurements_are_printed(bundles: dict[str, Bundle], photos: Path) -> None:
    bundle = bundles["vit"]
    entry = bundle.certificate.entries[-1].model_copy(update={"precision": "bf16", "shortfalls": ("logits differ",)})
    certificate = Certificate(entries=(entry,), not_measured={"openvino/f32": "no such processor"})
    text = printed(Bundle(bundle.path, bundle.manifest, certificate), photos)
    assert "fail" in text and "bf16, logits differ. The server will not use it." in text
    assert "Not measured: openvino/f32, no such processor." in text
    assert "No certificate" in printed(bundle, None)


def test_a_calibrated_head_is_told(bundles: dict[str, Bundle], photos: Path) -> None:
    bundle = bundles["vit"]
    assert "calibrated" not in printed(bundle, photos)
    calibrated = bundle.manifest.model_copy(update={"temperature": 1.6543})
    text = printed(Bundle(bundle.path, calibrated, bundle.certificate), photos, width=200)
    assert "5 labels (softmax of logits / 1.654, its calibrated temperature), input" in text


def test_evidence_is_told_with_what_could_not_be_shown(bundles: dict[str, Bundle], photos: Path) -> None:
    bundle = bundles["vit"]
    gain = Interval(mean=0.021, low=-0.086, high=0.125)
    rows = (Removal(fill="patch_mean", evidence=gain, attention=gain, insertion=gain, deletion=gain),)
    found = Faithfulness(
        confident=12, images=12, removals=rows, not_measured={"grid": "there are too few"}, unproven=("SRG is 0.021",)
    )
    certificate = bundle.certificate.model_copy(update={"faithfulness": found})
    text = printed(Bundle(bundle.path, bundle.manifest, certificate), photos, width=200)
    assert "derivative  integral  account" in text
    assert "12 images, patches become their patch mean: 0.02 (-0.09 to 0.12); of attention 0.02" in text
    assert "Not measured: GridPG of evidence, there are too few." in text and "Not shown: SRG is 0.021." in text
