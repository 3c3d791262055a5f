"""A graph that fails on some images, and one whose logits are NaN: what these callers and their neighbours get."""

from pathlib import Path

import grpc

from tests.e2e.harness import RunningServer
from tests.server.engines.graphs import HEIGHT, NOT_A_NUMBER, OUT_OF_RANGE, WIDTH, write_picky_graph
from tests.server.models.bundles import write_bundle
from vitscope.v1 import classifier_pb2, image_pb2

EVENTS = ("engine failed", "outputs are not finite")


def request(red: int, number: int) -> classifier_pb2.ClassifyRequest:
    """Return a request whose first pixel is `red`. No two of different numbers share a computation."""
    pixels = bytes([red, number % 256, number // 256]) + bytes([100]) * (HEIGHT * WIDTH * 3 - 3)
    raw = image_pb2.RawPixels(rgb=pixels, width=WIDTH, height=HEIGHT, preprocessed=True)
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(raw=raw))


def test_images_that_cannot_be_computed_fail_alone_are_counted_and_not_kept(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models", "picky", 1, tmp_path, write_picky_graph)
    options = ["--engine", "onnxruntime", "--cache-mib", "16"]
    with RunningServer(tmp_path / "models", *options, errors=EVENTS) as server:
        reds = [OUT_OF_RANGE if n % 10 == 3 else NOT_A_NUMBER if n % 10 == 7 else 100 for n in range(200)]
        calls = [(red, server.stub.Classify.future(request(red, n), timeout=30)) for n, red in enumerate(reds)]
        for red, call in calls:
            assert call.code() is (grpc.StatusCode.OK if red == 100 else grpc.StatusCode.INTERNAL), call.details()
        assert server.metric("vitscope_compute_failures_total", reason="engine") == 20
        assert server.metric("vitscope_compute_failures_total", reason="not_finite") == 20
        again = server.stub.Classify.future(request(NOT_A_NUMBER, 7), timeout=30)
        assert again.code() is grpc.StatusCode.INTERNAL and "not finite numbers, error " in again.details()
        assert server.metric("vitscope_compute_failures_total", reason="not_finite") == 21, "computed, not kept"
        assert server.metric("vitscope_confidence_ratio_count") == 160, "quality signals are of answers"
        assert server.get("/healthz/live") == "ok\n"
    lines = server.of_level("error")
    assert max(len(str(line)) for line in lines) < 1000
    assert not any("exception" in line for line in lines)
    (of_the_last,) = [line for line in lines if line["error_id"] in again.details()]
    assert of_the_last["event"] == "outputs are not finite"
