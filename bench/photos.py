"""The images that are sent, made distinct on the wire."""

import io
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image

from bench.load import MARK, Payload
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

QUALITY = 90
SIZE = (640, 480)
_COM = b"\xff\xfe"  # JPEG comment segment, ITU-T T.81 B.2.4.5


def photo_jpegs() -> tuple[bytes, ...]:
    """16 different JPEGs of 640 x 480, quality 90: the photos of scikit-image and scikit-learn, and their mirror images."""
    photos = [
        *sklearn.datasets.load_sample_images().images,
        *(getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")),
    ]  # fmt: skip
    upright = [Image.fromarray(photo).resize(SIZE, Image.Resampling.BICUBIC) for photo in photos]
    return tuple(to_jpeg(image) for image in upright + [_mirrored(image) for image in upright])


def sample_jpegs(folder: Path) -> tuple[bytes, ...]:
    """Every PNG of a folder as JPEG, in its own size."""
    return tuple(to_jpeg(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png")))


def to_jpeg(image: Image.Image) -> bytes:
    """A JPEG whose comment is the mark."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    return start + _COM + (len(MARK) + 2).to_bytes(2, "big") + MARK + rest


def payloads(jpegs: tuple[bytes, ...], maps: maps_pb2.MapOptions | None = None) -> tuple[Payload, ...]:
    """One Classify request for each JPEG, top 5."""
    return tuple(_payload(request(jpeg, maps)) for jpeg in jpegs)


def stream_payloads(jpegs: tuple[bytes, ...]) -> tuple[Payload, ...]:
    """One item of ClassifyStream for each JPEG."""
    return tuple(_payload(classifier_pb2.ClassifyStreamRequest(request=request(jpeg))) for jpeg in jpegs)


def raw_payloads(width: int, height: int, count: int = 16) -> tuple[Payload, ...]:
    """Requests with pixels that are ready for the model; the number takes the place of the first of them."""
    noise = np.random.default_rng(0)
    images = (MARK + noise.bytes(width * height * 3 - len(MARK)) for _ in range(count))
    return tuple(
        _payload(
            classifier_pb2.ClassifyRequest(
                image=image_pb2.Image(raw=image_pb2.RawPixels(rgb=rgb, width=width, height=height, preprocessed=True))
            )
        )
        for rgb in images
    )


def request(jpeg: bytes, maps: maps_pb2.MapOptions | None = None) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=jpeg), top_k=5, maps=maps)


def _payload(message: classifier_pb2.ClassifyRequest | classifier_pb2.ClassifyStreamRequest) -> Payload:
    head, mark, tail = message.SerializeToString().partition(MARK)
    assert mark, "the message carries no mark"
    return Payload(head, tail)


def _mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
