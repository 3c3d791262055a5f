import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from export.pipeline import ExportJob, export_checkpoint
from export.preprocess import Size
from tests.e2e.harness import ROOT, RunningServer
from tests.export.checkpoints import dinov2, save, vit

FASHION = ROOT / "examples" / "fashion"


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of 451 x 300 pixels."""
    return jpeg(skimage.data.chelsea())


@pytest.fixture(scope="session")
def registers_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DINOv2 with four registers, 42-pixel input, and random weights that are far from uniform."""
    return save(tmp_path_factory.mktemp("checkpoints") / "registers", dinov2(registers=4))


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of real photos."""
    folder = tmp_path_factory.mktemp("calibration")
    random = np.random.default_rng(0)
    for number in range(16):
        photo = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut())[number % 3]
        top, left = random.integers(0, 150, 2)
        Image.fromarray(photo[top : top + 150, left : left + 150]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, registers_checkpoint: Path, calibration: Path) -> Path:
    """Two models: the bundled example, and a DINOv2 with registers."""
    folder = tmp_path_factory.mktemp("models")
    export_checkpoint(ExportJob(str(FASHION), folder, "fashion"))
    export_checkpoint(
        ExportJob(str(registers_checkpoint), folder, "registers", calibration=calibration, allow_uncertified=True)
    )
    return folder


@pytest.fixture(scope="session")
def heavy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model that takes some ten milliseconds an image: ViT-Tiny/16 at 224, random weights, not certified."""
    shape = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 12, "num_attention_heads": 3}
    folder = tmp_path_factory.mktemp("heavy")
    checkpoint = save(folder / "checkpoint", vit(**shape, image_size=224, patch_size=16))
    export_checkpoint(ExportJob(str(checkpoint), folder / "models", "heavy", certificate=False, size=Size(224, 224)))
    return folder / "models"


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[RunningServer]:
    """A server of both models, shared by the tests that leave it as they found it."""
    with RunningServer(models) as running:
        yield running
