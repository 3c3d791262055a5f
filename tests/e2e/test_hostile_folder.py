"""A models folder with what is no regular file in it: the rest is served and followed, and TERM ends the server."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.copies import copy_bundle
from tests.e2e.harness import RunningServer
from tests.server.models.bundles import write_bundle
from tests.server.models.waiting import until
from vitscope.v1 import classifier_pb2, model_pb2

FAILED, READY = model_pb2.MODEL_STATE_FAILED, model_pb2.MODEL_STATE_READY


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 10**9)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


HOSTILE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "pipe-manifest": ("manifest.json", os.mkfifo),
    "pipe-checksum": ("manifest.sha256", os.mkfifo),
    "pipe-weights": ("graphs/weights.bin", os.mkfifo),
    "pipe-certificate": ("certificate.json", os.mkfifo),
    "endless-manifest": ("manifest.json", _endless),
    "sparse-weights": ("graphs/weights.bin", _sparse),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "source", "a", 1, tmp_path)


def spoil(source: Path, models: Path, kind: str) -> None:
    copy_bundle(source, models / kind / "1")
    name, make = HOSTILE[kind]
    path = models / kind / "1" / name
    path.unlink()
    make(path)


async def test_one_bad_folder_does_not_stop_the_rest(source: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    copy_bundle(source, models / "good/1")
    for kind in ("pipe-manifest", "endless-manifest", "pipe-weights"):
        spoil(source, models, kind)
    options = ["--watch-seconds", "0.2", "--engine", "onnxruntime", "--threads", "1"]
    with RunningServer(models, *options, errors=["model failed to load"]) as server:

        def states() -> dict[str, int]:
            listed = server.stub.ListModels(classifier_pb2.ListModelsRequest(), timeout=10).models
            return {model.name: model.state for model in listed}

        first = {"good": READY, "pipe-manifest": FAILED, "endless-manifest": FAILED, "pipe-weights": FAILED}
        assert states() == first
        for kind in ("pipe-checksum", "pipe-certificate", "sparse-weights"):
            spoil(source, models, kind)
        copy_bundle(source, models / "later/1")
        later = {"later": READY, "pipe-checksum": FAILED, "pipe-certificate": FAILED, "sparse-weights": FAILED}
        await until(lambda: states() == {**first, **later})
        # A pipe that takes the place of what is served already.
        (models / "good/1/manifest.json").unlink()
        os.mkfifo(models / "good/1/manifest.json")
        copy_bundle(source, models / "last/1")
        await until(lambda: states().get("last") == READY)
        assert states()["good"] == READY
        began = time.monotonic()
        server.terminate()
        assert server.process.wait(timeout=60) == 0
        assert time.monotonic() - began < 30
