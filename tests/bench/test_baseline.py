"""The plain servers answer as the checkpoint does."""

import io
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import skimage.data
import torch
import transformers
from PIL import Image

from bench.baseline import Infer, Servicer, onnxruntime_model, openvino_model, start
from bench.models import Model
from bench.photos import request, to_jpeg
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc


@pytest.fixture(scope="module")
def photo() -> bytes:
    return to_jpeg(Image.fromarray(skimage.data.coffee()))


@pytest.fixture(scope="module")
def expected(checkpoint: Path, photo: bytes) -> np.ndarray:
    """The logits of the checkpoint for the photo."""
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    model = transformers.AutoModelForImageClassification.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        pixels = processor(Image.open(io.BytesIO(photo)), return_tensors="pt")
        logits: np.ndarray = model(**pixels).logits[0].numpy()
    return logits


def plain(model: Model) -> tuple[int, Infer]:
    return onnxruntime_model(str(model.plain), 1, mean=0.5, std=0.5)


def informed(model: Model) -> tuple[int, Infer]:
    return openvino_model(str(model.graph), "f32", 2)


@pytest.mark.parametrize("make", [plain, informed])
def test_answers_a_photo_as_the_checkpoint_does(
    make: Callable[[Model], tuple[int, Infer]], model: Model, photo: bytes, expected: np.ndarray
) -> None:
    servicer = Servicer(*make(model), draft=False)
    reply = call(servicer, photo)
    assert [c.index for c in reply.classes] == np.argsort(-expected).tolist()
    assert [c.logit for c in reply.classes] == pytest.approx(np.sort(expected)[::-1].tolist(), abs=1e-3)
    assert sum(c.probability for c in reply.classes) == pytest.approx(1, abs=1e-5)


def test_scaled_decoding_gives_nearly_the_same(model: Model, photo: bytes, expected: np.ndarray) -> None:
    reply = call(Servicer(*informed(model), draft=True), photo)
    assert reply.classes[0].index == expected.argmax()
    assert [c.logit for c in reply.classes] == pytest.approx(np.sort(expected)[::-1].tolist(), abs=0.5)


def call(servicer: Servicer, photo: bytes) -> classifier_pb2.ClassifyResponse:
    server, port = start(servicer, workers=2)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
            return stub.Classify(request(photo), timeout=10)
    finally:
        server.stop(None).wait()
