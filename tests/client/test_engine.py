"""The engine of a model and its certificate from the messages of a server."""

from tests.client.servicer import fashion
from vitscope.client.engine import CertificateEntry, EngineInfo
from vitscope.v1 import model_pb2


def test_an_engine() -> None:
    engine = EngineInfo.of(fashion().engine)
    assert (engine.name, engine.version, engine.precision, engine.device) == ("openvino", "2026.4", "bf16", "CPU")
    assert (engine.reason, engine.max_batch) == ("the fastest certified engine here", 16)
    assert engine.costs == {1: 0.002}
    assert EngineInfo.of(model_pb2.EngineInfo()).costs == {}


def test_a_certificate_entry() -> None:
    (message,) = fashion().certificate
    message.non_finite = 3
    assert CertificateEntry.of(message) == CertificateEntry(
        engine="openvino",
        precision="bf16",
        passed=True,
        images=200,
        top1_agreement=0.995,
        max_logit_error=0.02,
        mean_attention_cosine=0.9999,
        min_attention_cosine=0.9991,
        non_finite=3,
    )
