"""Answers of the server, compared with the checkpoint in PyTorch."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from examples.fashion.prepare import LABELS, read_split
from tests.conftest import FASHION, jpeg
from tests.e2e.harness import RunningServer
from vitscope import Client
from vitscope.client.result import Result


def in_pytorch(checkpoint: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return logits [C] and the attention of every layer's class token [layers, heads, tokens] (float32)."""
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(checkpoint, attn_implementation="eager").eval()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    with torch.inference_mode():
        out = model(**processor(image, return_tensors="pt"), output_attentions=True)
    return out.logits[0].numpy(), torch.stack(out.attentions)[:, 0, :, 0].numpy()


def logits_of(result: Result, classes: int) -> np.ndarray:
    logits = np.zeros(classes, np.float32)
    for one in result.classes:
        logits[one.index] = one.logit
    return logits


@pytest.fixture(scope="module")
def fast_server(models: Path) -> Iterator[RunningServer]:
    """A server in the precision that the machine picks, with exact image decoding.

    How far scaled decoding differs is tested elsewhere.
    """
    with RunningServer(models, "--image-decoding", "exact") as running:
        yield running


@pytest.fixture(scope="module")
def exact_server(models: Path) -> Iterator[RunningServer]:
    """The same models in float32, whatever the processor has."""
    with RunningServer(models, "--precision", "f32", "--image-decoding", "exact") as running:
        yield running


@pytest.mark.parametrize("name", ["fashion", "registers"])
@pytest.mark.parametrize("kind", ["fast_server", "exact_server"])
def test_classes_and_maps_of_a_jpeg_are_those_of_pytorch(
    request: pytest.FixtureRequest, kind: str, registers_checkpoint: Path, name: str, photo: bytes
) -> None:
    server: RunningServer = request.getfixturevalue(kind)
    checkpoint, prefix = (FASHION, 1) if name == "fashion" else (registers_checkpoint, 5)
    logits, attention = in_pytorch(checkpoint, photo)
    with Client(server.address) as client:
        model = client.get_model(name)
        result = client.classify(photo, model=name, top_k=1000, attention="all", heads="all")
        last = client.classify(photo, model=name, top_k=1000, attention="last")
    exact = model.engine.precision == "f32"
    assert exact or kind == "fast_server"
    tolerance = 1e-4 if exact else 0.15
    assert logits_of(result, len(logits)) == pytest.approx(logits, abs=tolerance)
    assert logits_of(last, len(logits)) == pytest.approx(logits, abs=tolerance)
    assert [c.index for c in result.classes][:1] == [int(logits.argmax())]
    assert sum(c.probability for c in result.classes) == pytest.approx(1, abs=1e-5)
    assert [(m.layer, m.head) for m in result.maps] == [(x, y) for x in range(model.layers) for y in range(model.heads)]
    for one in result.maps:
        assert one.head is not None
        row = attention[one.layer, one.head]
        assert one.values.ravel() == pytest.approx(row[prefix:], abs=1e-5 if exact else 0.02)
        assert one.cls == pytest.approx(row[0], abs=1e-5 if exact else 0.02)
        assert one.values.sum() + one.cls + one.registers == pytest.approx(1, abs=1e-5 if exact else 1e-2)
    (mean,) = last.maps
    assert mean.values.ravel() == pytest.approx(attention[-1].mean(0)[prefix:], abs=1e-5 if exact else 0.02)


def of_fashion_mnist(images: np.ndarray, server: RunningServer) -> list[str]:
    """Send images [N, 28, 28] (uint8) as PNG files and return the first label of each."""

    def png(pixels: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()

    found = [""] * len(images)
    with Client(server.address, timeout=30) as client:
        for index, outcome in client.classify_many((png(image) for image in images), model="fashion", top_k=1):
            assert isinstance(outcome, Result), outcome
            found[index] = outcome.classes[0].label
    assert all(found)
    return found


def test_photos_of_fashion_mnist_get_the_labels_that_pytorch_gives(server: RunningServer) -> None:
    images, labels = (part[:1000] for part in read_split("t10k"))
    processor = AutoImageProcessor.from_pretrained(FASHION, backend="pil")
    model = AutoModelForImageClassification.from_pretrained(FASHION).eval()
    with torch.inference_mode():
        logits = model(**processor([Image.fromarray(one).convert("RGB") for one in images], return_tensors="pt")).logits
    two = logits.topk(2).values
    clear = (two[:, 0] - two[:, 1] > 0.2).tolist()  # in bfloat16 closer ones may change places
    names = [model.config.id2label[int(index)] for index in logits.argmax(-1)]
    found = of_fashion_mnist(images, server)
    assert [label for label, sure in zip(found, clear, strict=True) if sure] == [
        label for label, sure in zip(names, clear, strict=True) if sure
    ]
    assert sum(clear) > 950
    right = sum(label == LABELS[true] for label, true in zip(found, labels, strict=True))
    assert right == pytest.approx(sum(label == LABELS[true] for label, true in zip(names, labels, strict=True)), abs=3)


@pytest.mark.whole
def test_the_whole_fashion_mnist_test_set_scores_as_the_checkpoint_does(server: RunningServer) -> None:
    images, labels = read_split("t10k")
    found = of_fashion_mnist(images, server)
    accuracy = sum(label == LABELS[true] for label, true in zip(found, labels, strict=True)) / len(images)
    expected = json.loads((FASHION / "finetune.json").read_text())["test_accuracy"]
    print(f"accuracy over gRPC {accuracy:.4f}, of the checkpoint {expected:.4f}")
    assert accuracy == pytest.approx(expected, abs=0.001)


def test_every_accepted_format_and_raw_pixels_get_the_same_answer(server: RunningServer) -> None:
    pixels = skimage.data.astronaut()[:200, :300]
    with Client(server.address) as client:
        expected = client.classify(pixels, model="registers")
        for kind in ("PNG", "BMP", "TIFF", "WEBP"):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind, lossless=True)
            found = client.classify(file.getvalue(), model="registers")
            assert [(c.index, c.logit) for c in found.classes] == [(c.index, c.logit) for c in expected.classes], kind


def test_exif_orientation_is_applied_and_reported(server: RunningServer) -> None:
    upright = Image.fromarray(skimage.data.chelsea())
    exif = upright.getexif()
    exif[0x0112] = 6  # the camera was turned; viewers rotate by 270 degrees
    turned, plain = io.BytesIO(), io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=exif)
    upright.save(plain, "PNG")
    with Client(server.address) as client:
        a = client.classify(turned.getvalue(), model="registers")
        b = client.classify(plain.getvalue(), model="registers")
    assert a.geometry.exif_orientation == 6
    assert a.geometry.image_size == b.geometry.image_size == upright.size
    assert [c.logit for c in a.classes] == [c.logit for c in b.classes]


def test_pictures_come_only_when_asked_for_and_fit_the_photo(server: RunningServer, photo: bytes) -> None:
    from vitscope.client.request import RenderingOptions

    with Client(server.address) as client:
        plain = client.classify(photo, model="registers", attention="last")
        drawn = client.classify(
            photo, model="registers", attention="last", rendering=RenderingOptions(color_map="inferno", format="jpeg")
        )
    assert plain.maps[0].picture is None
    picture = drawn.maps[0].picture
    assert picture is not None
    with Image.open(io.BytesIO(picture.data)) as image:
        assert (image.format, image.size) == ("JPEG", (451, 300))


def test_the_reply_says_where_its_time_went(server: RunningServer) -> None:
    with Client(server.address) as client:
        timing = client.classify(jpeg(skimage.data.coffee()), model="fashion", attention="last").timing
    assert list(timing.stages) == ["receive", "decode", "queue", "batch", "infer", "maps"]
    assert all(seconds >= 0 for seconds in timing.stages.values())
    assert timing.stages["infer"] > 0
    assert sum(timing.stages.values()) == pytest.approx(timing.total, rel=1e-6)
    assert timing.batch_size == 1
    assert timing.engine in ("openvino/bf16", "openvino/f32")
