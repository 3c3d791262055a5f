"""The images that the benchmark sends, as requests with a place for a number."""

import io
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image

from vitscope.loadtest.numbered import MARK, Numbered, in_comment
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

QUALITY = 90
SIZE = (640, 480)
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")


def photo_jpegs() -> tuple[bytes, ...]:
    """Return 16 different JPEGs of 640 x 480: photos of scikit-image and scikit-learn, and their mirror images."""
    photos = [
        *sklearn.datasets.load_sample_images().images,
        *(getattr(skimage.data, name)() for name in _PHOTOS),
    ]
    upright = [Image.fromarray(photo).resize(SIZE, Image.Resampling.BICUBIC) for photo in photos]
    return tuple(to_jpeg(image) for image in upright + [_mirrored(image) for image in upright])


def large_jpegs() -> tuple[bytes, ...]:
    """Return JPEGs of 3000 x 2000 pixels, about 1.5 MB each: photos with the noise of a sensor."""
    noise = np.random.default_rng(0)
    made = []
    for name in _PHOTOS[:4]:
        image = Image.fromarray(getattr(skimage.data, name)()).resize((3000, 2000), Image.Resampling.BICUBIC)
        pixels = np.asarray(image).astype(np.int16) + noise.integers(-12, 13, (2000, 3000, 3))
        made.append(to_jpeg(Image.fromarray(pixels.clip(0, 255).astype(np.uint8))))
    return tuple(made)


def sample_jpegs(folder: Path) -> tuple[bytes, ...]:
    """Return every PNG of a folder as a JPEG of its own size."""
    return tuple(to_jpeg(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png")))


def to_jpeg(image: Image.Image) -> bytes:
    """Return a JPEG with the mark of a number in a comment."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return in_comment(file.getvalue())


def payloads(jpegs: tuple[bytes, ...], maps: maps_pb2.MapOptions | None = None) -> tuple[Numbered, ...]:
    """Return a Classify request for each JPEG, top 5."""
    return tuple(Numbered.of(request(jpeg, maps)) for jpeg in jpegs)


def stream_payloads(jpegs: tuple[bytes, ...]) -> tuple[Numbered, ...]:
    """Return an item of ClassifyStream for each JPEG."""
    return tuple(Numbered.of(classifier_pb2.ClassifyStreamRequest(request=request(jpeg))) for jpeg in jpegs)


def raw_payloads(width: int, height: int, count: int = 16) -> tuple[Numbered, ...]:
    """Return requests with preprocessed pixels. The number takes the place of the first pixels."""
    noise = np.random.default_rng(0)
    images = (MARK + noise.bytes(width * height * 3 - len(MARK)) for _ in range(count))
    return tuple(
        Numbered.of(
            classifier_pb2.ClassifyRequest(
                image=image_pb2.Image(raw=image_pb2.RawPixels(rgb=rgb, width=width, height=height, preprocessed=True))
            )
        )
        for rgb in images
    )


def request(jpeg: bytes, maps: maps_pb2.MapOptions | None = None) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=jpeg), top_k=5, maps=maps)


def _mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
