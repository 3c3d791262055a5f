"""The schema of certificate.json: cosines by method, and certificates of earlier versions."""

from pathlib import Path

from vitscope.bundle import Certificate, CertificateEntry, Cosines


def entry(lowest: float | None, mean: float | None) -> CertificateEntry:
    """Return an entry that is constructed without `cosines`."""
    return CertificateEntry(
        engine="openvino", engine_version="1", precision="f32", images=8, top1_agreement=1, max_logit_error=0,
        mean_logit_error=0, min_attention_cosine=lowest, mean_attention_cosine=mean, non_finite=0,
    )  # fmt: skip


def test_a_certificate_of_an_earlier_version_is_read() -> None:
    """It was written by the last version without `cosines`, for examples/fashion."""
    text = (Path(__file__).parent / "written_before" / "certificate.json").read_text()
    assert "cosines" not in text
    read = Certificate.model_validate_json(text)
    assert len(read.entries) == 2
    for found in read.entries:
        assert found.min_attention_cosine is not None and found.mean_attention_cosine is not None
        assert found.cosines == {
            "attention": Cosines(lowest=found.min_attention_cosine, mean=found.mean_attention_cosine)
        }
    assert Certificate.model_validate_json(read.model_dump_json()) == read


def test_the_two_fields_of_attention_give_its_cosines() -> None:
    assert entry(0.5, 0.75).cosines == {"attention": Cosines(lowest=0.5, mean=0.75)}
    assert entry(None, None).cosines == {}
