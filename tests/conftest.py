"""Photos and models that tests of several parts have in common."""

import functools
import io
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from filelock import FileLock
from hypothesis import settings
from onnxscript.values import TracedOnnxFunction
from PIL import Image

from tests import failures
from tests.export.checkpoints import dinov2, save, vit
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.pipeline import ExportJob, export_checkpoint

# A shell without job control starts background commands (`make test &`) with SIGINT ignored, and children inherit that.
# Tests interrupt children: with a handler here, they start with the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline for single examples: on a busy machine it fails tests that are correct.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# One thread: for models this small, synchronizing a second one takes longer than the computation.
torch.set_num_threads(1)

# torch.onnx.export parses the source of its 500 operators again for each model: a sixth of a tiny one's export.
TracedOnnxFunction.function_ir = property(functools.cache(TracedOnnxFunction.function_ir.fget))

FASHION = Path(__file__).parents[1] / "examples" / "fashion"

# Files that take longest (by processor time), which workers get first, so that none is left alone with one at the end.
LONG = (
    "export/families/test_export", "export/test_pipeline", "export/test_cli", "server/engines/tensorrt/test_builder",
    "e2e/test_service", "e2e/test_installed", "test_docs", "test_connections", "deploy/test_envoy",
    "loadtest/test_runs", "export/variants/test_fp8_export", "server/engines/onnx/test_precision", "e2e/test_heads",
    "examples/test_backbone", "server/scheduling/test_schedules", "export/methods/test_methods", "e2e/test_overload",
    "deploy/test_dashboard_live", "e2e/test_families", "e2e/test_lifecycle", "e2e/test_answers",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    failures.tell(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    rank = {here / f"{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Has a folder filled by the first of the processes that run tests to ask for it, for all of them."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        made = base / f"once-{name}"
        with FileLock(base / f"once-{name}.lock"):
            if not made.exists():
                fill(made.with_suffix(".unfinished"))
                made.with_suffix(".unfinished").rename(made)
        return made

    return folder


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of 451 x 300 pixels."""
    return jpeg(skimage.data.chelsea())


@pytest.fixture(scope="session")
def registers_checkpoint(once: Once) -> Path:
    """A small DINOv2 with four registers, 42-pixel input, and random weights that are far from uniform."""
    return once("registers", lambda folder: save(folder, dinov2(registers=4)))


@pytest.fixture(scope="session")
def calibration(once: Once) -> Path:
    """Crops of real photos."""
    return once("calibration", _crops)


def _crops(folder: Path) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(16):
        photo = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut())[number % 3]
        top, left = random.integers(0, 150, 2)
        Image.fromarray(photo[top : top + 150, left : left + 150]).save(folder / f"{number}.png")


@pytest.fixture(scope="session")
def models(once: Once, registers_checkpoint: Path, calibration: Path) -> Path:
    """Two models: the bundled example, and a DINOv2 with registers."""

    def export(folder: Path) -> None:
        # How faithful its maps are takes some hundred runs; tests/export/certificate/test_faithful.py has that.
        export_checkpoint(ExportJob(str(FASHION), folder, "fashion", faithfulness=False))
        job = ExportJob(str(registers_checkpoint), folder, "registers", calibration=calibration, faithfulness=False)
        export_checkpoint(replace(job, allow_uncertified=True))

    return once("models", export)


@pytest.fixture(scope="session")
def heavy_models(once: Once) -> Path:
    """One model that takes some ten milliseconds an image, as ViT-Tiny/16 at 224 does; random weights, not certified.

    Three blocks of twice the width take as long as its twelve, and a third of the time to export.
    """

    def export(folder: Path) -> None:
        shape = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 3, "num_attention_heads": 6}
        checkpoint = save(folder / "checkpoint", vit(**shape, image_size=224, patch_size=16))
        export_checkpoint(
            ExportJob(
                str(checkpoint), folder / "models", "heavy", certificate=False, evidence=False, size=Size(224, 224)
            )
        )

    return once("heavy", export) / "models"
