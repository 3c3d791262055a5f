"""Which engine and precision serve a bundle, and the reasons that are given."""

from pathlib import Path

import pytest

from tests.bundle.sample import MANIFEST
from tests.server.engines.ladders import runs_here
from vitscope.bundle import CLASSIFY, FP8, INT8, Bundle, Certificate, CertificateEntry
from vitscope.server.engines import openvino
from vitscope.server.engines.choose import Choice, NoEngine, Wanted, objections
from vitscope.server.engines.choose import choose as choose_for
from vitscope.server.engines.ladder import ENGINES, kind_named, rungs

HAS_BF16 = openvino.why_not("bf16") is None
HAS_INT8 = openvino.why_not("int8") is None
AUTO = Wanted("auto", "auto", allow_uncertified=False)
with_int8 = pytest.mark.skipif(not HAS_INT8, reason="the processor has no int8 dot products")


def bundle(certificate: Certificate, int8: bool = False) -> Bundle:
    graph = MANIFEST.graphs[CLASSIFY]
    if int8:
        graph = graph.model_copy(update={"variants": {INT8: "graphs/classify.int8.onnx"}})
    return Bundle(Path("models"), MANIFEST.model_copy(update={"graphs": {CLASSIFY: graph}}), certificate)


def choose(certificate: Certificate, wanted: Wanted) -> Choice:
    """Return the only choice for a bundle without int8 graphs."""
    (choice,) = choose_for(bundle(certificate), wanted)
    return choice


def entry(engine: str, precision: str, shortfalls: tuple[str, ...] = ()) -> CertificateEntry:
    return CertificateEntry(
        engine=engine,
        engine_version="1",
        precision=precision,
        images=16,
        top1_agreement=1,
        max_logit_error=0,
        mean_logit_error=0,
        min_attention_cosine=1,
        mean_attention_cosine=1,
        non_finite=0,
        shortfalls=shortfalls,
    )


def certificate(*shortfalls_of_bf16: str, bf16: bool = True) -> Certificate:
    entries = [entry("openvino", "f32"), entry("onnxruntime", "f32")]
    return Certificate(entries=(*entries, *([entry("openvino", "bf16", shortfalls_of_bf16)] if bf16 else [])))


def test_bf16_is_taken_where_the_processor_has_it_and_the_certificate_covers_it() -> None:
    choice = choose(certificate(), AUTO)
    assert (choice.engine, choice.precision) == ("openvino", "bf16" if HAS_BF16 else "f32")
    assert choice.certified
    if not HAS_BF16:
        assert "the processor has no bf16 instructions" in choice.reason


@pytest.mark.skipif(not HAS_BF16, reason="the processor has no bf16 instructions")
def test_bf16_that_was_not_measured_or_fell_short_is_passed_over_with_the_reason() -> None:
    unmeasured = choose(certificate(bf16=False), AUTO)
    assert unmeasured.precision == "f32"
    assert "certificate does not cover it" in unmeasured.reason
    failed = choose(certificate("attention cosine falls to 0.9"), AUTO)
    assert failed.precision == "f32"
    assert failed.certified
    assert "openvino/bf16: it failed certification: attention cosine falls to 0.9" in failed.reason


@pytest.mark.skipif(not HAS_BF16, reason="the processor has no bf16 instructions")
def test_an_uncertified_precision_is_served_only_when_that_is_allowed() -> None:
    with pytest.raises(NoEngine, match="openvino/bf16: the bundle's certificate does not cover it"):
        choose(certificate(bf16=False), Wanted("auto", "bf16", allow_uncertified=False))
    choice = choose(certificate(bf16=False), Wanted("auto", "bf16", allow_uncertified=True))
    assert choice.precision == "bf16"
    assert not choice.certified
    assert "NOT CERTIFIED" in choice.reason


def test_f32_is_served_without_a_certificate_but_flagged() -> None:
    choice = choose(Certificate(), AUTO)
    assert (choice.engine, choice.precision, choice.certified) == ("openvino", "f32", False)


def test_what_is_asked_for_is_taken() -> None:
    choice = choose(certificate(), Wanted("onnxruntime", "auto", allow_uncertified=False))
    assert (choice.engine, choice.precision) == ("onnxruntime", "f32")
    assert "as asked for" in choice.reason


def test_a_combination_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(NoEngine, match=r"onnxruntime/bf16; accepted: tensorrt/f16, .*, openvino/f32, onnxruntime/f32$"):
        choose(certificate(), Wanted("onnxruntime", "bf16", allow_uncertified=False))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have a GPU, TensorRT, and an onnxruntime with CUDA."""
    runs_here(monkeypatch, "tensorrt", "onnxruntime-cuda", "onnxruntime-cuda-fused")


@pytest.mark.usefixtures("gpu")
def test_a_gpu_comes_first_and_each_failure_there_takes_the_next_precision_up_then_the_next_engine() -> None:
    excluded: dict[str, str] = {}
    two_forms = {
        "onnxruntime-cuda/f16": "onnxruntime-cuda-fused/f16",
        "onnxruntime-cuda/f32": "onnxruntime-cuda-fused/f32",
    }
    for expected in (
        "tensorrt/f16",
        "tensorrt/bf16",
        "tensorrt/f32",
        *(form for both in two_forms.items() for form in both),
    ):
        choice, *others = choose_for(bundle(certificate()), AUTO, excluded)
        assert str(choice) == expected
        assert [str(other) for other in others] == [two_forms[rung] for rung in two_forms if rung == expected]
        assert choice.certified, "the gate on this machine decides, not the certificate of another"
        assert all(f"passed over {rung}: {why}" in choice.reason for rung, why in excluded.items())
        excluded[expected] = f"it failed the gate after {len(excluded)}"
    (choice,) = choose_for(bundle(certificate()), AUTO, excluded)
    assert choice.engine == "openvino"


@pytest.mark.usefixtures("gpu")
def test_both_forms_of_an_engine_that_is_asked_for_are_measured() -> None:
    found = choose_for(bundle(certificate()), Wanted("onnxruntime-cuda", "f32", allow_uncertified=False))
    assert [choice.engine for choice in found] == ["onnxruntime-cuda", "onnxruntime-cuda-fused"]
    assert all(choice.precision == "f32" and choice.certified for choice in found)
    assert "onnxruntime-cuda" in ENGINES
    assert "onnxruntime-cuda-fused" not in ENGINES
    assert not Wanted("onnxruntime", "auto", False).accepts(kind_named("onnxruntime-cuda-fused"))


@pytest.mark.usefixtures("gpu")
def test_a_large_dinov2_is_not_tried_in_f16_unless_that_is_asked_for() -> None:
    large = MANIFEST.model_copy(update={"family": "dinov2", "width": 1024})
    opened = Bundle(Path("models"), large, certificate())
    (choice,) = choose_for(opened, AUTO)
    assert (choice.engine, choice.precision) == ("tensorrt", "bf16")
    assert "tensorrt/f16: activations of a DINOv2 as wide as 1024 can overflow in f16" in choice.reason
    assert choose_for(opened, Wanted("auto", "f16", allow_uncertified=False))[0].precision == "f16"


@pytest.mark.usefixtures("gpu")
def test_fp8_is_for_those_who_exported_it_and_ask_for_it() -> None:
    wanted = Wanted("tensorrt", "fp8", allow_uncertified=False)
    with pytest.raises(NoEngine, match="the bundle has no fp8 graphs; `vitscope export --fp8` makes them"):
        choose_for(bundle(certificate()), wanted)
    graph = MANIFEST.graphs[CLASSIFY].model_copy(update={"variants": {FP8: "graphs/classify.fp8.onnx"}})
    with_fp8 = Bundle(Path("models"), MANIFEST.model_copy(update={"graphs": {CLASSIFY: graph}}), certificate())
    assert choose_for(with_fp8, AUTO)[0].precision == "f16"
    (choice,) = choose_for(with_fp8, wanted)
    assert choice.graph_path(with_fp8, CLASSIFY).name == "classify.fp8.onnx"


def test_without_a_gpu_its_engines_are_not_spoken_of_unless_asked_for() -> None:
    reason = choose(certificate(bf16=False), AUTO).reason
    assert "tensorrt" not in reason and "cuda" not in reason
    assert len(reason) < 200 and "\n" not in reason
    with pytest.raises(NoEngine, match="TensorRT cannot be imported"):
        choose(certificate(), Wanted("tensorrt", "auto", allow_uncertified=False))


def test_every_engine_has_one_line() -> None:
    found = list(objections())
    assert [rung for rung, _ in found] == list(rungs())
    reasons = {str(rung): why for rung, why in found}
    assert reasons["onnxruntime/f32"] is None
    assert all(why for rung, why in reasons.items() if rung.startswith("tensorrt/"))


def entry_of(engine: str, *shortfalls: str) -> CertificateEntry:
    (found,) = [e for e in certificate().entries if (e.engine, e.precision) == (engine, "f32")]
    return found.model_copy(update={"shortfalls": shortfalls})


def test_what_is_certified_wins_over_what_is_faster_but_was_never_measured() -> None:
    choice = choose(Certificate(entries=(entry_of("onnxruntime"),)), AUTO)
    assert (choice.engine, choice.certified) == ("onnxruntime", True)
    assert "openvino/f32: the bundle's certificate does not cover it" in choice.reason


def test_float32_that_fell_short_is_not_served_unless_that_is_allowed() -> None:
    failed = Certificate(
        entries=(entry_of("openvino", "top-1 agrees on 50 %"), entry_of("onnxruntime", "logits differ"))
    )
    with pytest.raises(NoEngine, match="openvino/f32: it failed certification: top-1 agrees on 50 %"):
        choose(failed, AUTO)
    assert choose(failed, Wanted("openvino", "f32", allow_uncertified=True)).precision == "f32"


def with_entry(base: Certificate, *shortfalls: str) -> Certificate:
    return base.model_copy(update={"entries": (*base.entries, entry("openvino", "int8", shortfalls))})


@with_int8
def test_certified_int8_is_measured_against_the_next_rung() -> None:
    opened = bundle(with_entry(certificate()), int8=True)
    int8, other = choose_for(opened, AUTO)
    best = "bf16" if HAS_BF16 else "f32"
    assert (int8.precision, int8.arithmetic, other.precision, other.arithmetic) == ("int8", best, best, best)
    assert int8.certified and other.certified
    assert int8.graph_path(opened, CLASSIFY) == Path("models/graphs/classify.int8.onnx")
    assert other.graph_path(opened, CLASSIFY) == Path("models/graphs/classify.onnx")
    (asked,) = choose_for(opened, Wanted("auto", "int8", allow_uncertified=False))
    assert asked.precision == "int8" and "as asked for" in asked.reason
    (without,) = choose_for(opened, Wanted("auto", "f32", allow_uncertified=False))
    assert without.precision == "f32"


@with_int8
@pytest.mark.parametrize("base", [certificate("off"), certificate(bf16=False)])
def test_int8_computes_the_rest_in_bf16_only_where_that_is_certified(base: Certificate) -> None:
    int8, other = choose_for(bundle(with_entry(base), int8=True), AUTO)
    assert (int8.precision, int8.arithmetic, other.precision) == ("int8", "f32", "f32")


@pytest.mark.parametrize("base", [certificate(), with_entry(certificate(), "top-1 agrees on 90 %")])
def test_int8_graphs_that_are_not_certified_are_passed_over(base: Certificate) -> None:
    (choice,) = choose_for(bundle(base, int8=True), AUTO)
    assert choice.precision != "int8" and "passed over openvino/int8: " in choice.reason
    with pytest.raises(NoEngine, match="openvino/int8: "):
        choose_for(bundle(base, int8=True), Wanted("auto", "int8", allow_uncertified=False))


def test_int8_is_not_mentioned_where_nobody_asked_for_it() -> None:
    assert "int8" not in choose(certificate(), AUTO).reason
    with pytest.raises(
        NoEngine, match="openvino/int8: the bundle has no int8 graphs; `vitscope export --int8` makes them"
    ):
        choose(with_entry(certificate()), Wanted("openvino", "int8", allow_uncertified=True))
