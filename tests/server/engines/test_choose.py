import pytest

from bundle import Certificate, CertificateEntry
from server.engines import openvino
from server.engines.choose import LADDER, NoEngine, Wanted, choose

HAS_BF16 = openvino.why_not("bf16") is None
AUTO = Wanted("auto", "auto", allow_uncertified=False)


def certificate(*shortfalls_of_bf16: str, bf16: bool = True) -> Certificate:
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
    with pytest.raises(NoEngine, match=r"onnxruntime/bf16; accepted: openvino/bf16, openvino/f32, onnxruntime/f32"):
        choose(certificate(), Wanted("onnxruntime", "bf16", allow_uncertified=False))
    assert len(LADDER) == 3


def entry_of(engine: str, *shortfalls: str) -> CertificateEntry:
    (found,) = [e for e in certificate().entries if (e.engine, e.precision) == (engine, "f32")]
    return found.model_copy(update={"shortfalls": shortfalls})


def test_what_is_certified_wins_over_what_is_faster_but_was_never_measured() -> None:
    choice = choose(Certificate(entries=(entry_of("onnxruntime"),)), AUTO)
    assert (choice.engine, choice.certified) == ("onnxruntime", True)
    assert "passed over openvino/f32: the bundle's certificate does not cover it" in choice.reason


def test_float32_that_fell_short_is_not_served_unless_that_is_allowed() -> None:
    failed = Certificate(
        entries=(entry_of("openvino", "top-1 agrees on 50 %"), entry_of("onnxruntime", "logits differ"))
    )
    with pytest.raises(NoEngine, match="openvino/f32: it failed certification: top-1 agrees on 50 %"):
        choose(failed, AUTO)
    assert choose(failed, Wanted("openvino", "f32", allow_uncertified=True)).precision == "f32"
