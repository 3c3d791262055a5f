"""A second explanation method takes one file in export and one in the server: here one class each, and nothing else."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.methods.samples import PatchSimilarity
from tests.server.answer.serving import Serving
from vitscope.bundle import CLASSIFY, Bundle, Manifest
from vitscope.export.methods import METHODS as EXPORTED
from vitscope.export.pipeline import ExportJob, export_checkpoint
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.api.models import to_model
from vitscope.server.engines.contract import Identity, Outputs
from vitscope.server.engines.gate.judge import REDUCED, judge
from vitscope.server.errors import Outcome
from vitscope.server.maps.map import MEAN, Map
from vitscope.server.maps.methods import METHODS
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.maps.spec import MapSpec


class ServedPatchSimilarity:
    """The counterpart in the server of `PatchSimilarity`: one map of the last layer."""

    name = "patch_similarity"
    sums_to_one = False
    of_best_class = False

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        return MapSpec(self.name, CLASSIFY, (manifest.layers - 1,), None, options.dtype, options.rendering)

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        grid = (manifest.tokens.grid_rows, manifest.tokens.grid_cols)
        return [Map.of(self.name, spec.layers[0], MEAN, outputs["patch_similarity"].reshape(grid))]

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        return outputs.get("patch_similarity")


@pytest.fixture(scope="module")
def bundle(registers_checkpoint: Path, calibration: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitscope.export.job.METHODS", (*EXPORTED, PatchSimilarity()))
        models = tmp_path_factory.mktemp("models")
        job = ExportJob(
            str(registers_checkpoint), models, "two", calibration=calibration, allow_uncertified=True, evidence=False
        )
        return export_checkpoint(job)[0]


@pytest.fixture
async def serving(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    monkeypatch.setitem(METHODS, "patch_similarity", ServedPatchSimilarity())
    serving = Serving(tmp_path / "cache", engine="onnxruntime")
    await serving.load(bundle.path)
    yield serving
    await serving.close()


def asking(photo: bytes, **options: Any) -> Ask:
    return Ask(EncodedImage(photo), len(photo), maps=MapOptions(**options))


async def test_it_is_served_beside_attention(serving: Serving, photo: bytes) -> None:
    model = serving.repository.ready("two", 1)
    assert {"attention", "patch_similarity"} <= set(to_model(model).methods)
    answer = (await serving.ask(asking(photo, method="patch_similarity", rendering=RenderingSpec()))).unwrap()
    (one,) = answer.classification.maps
    assert (one.map.method, one.map.values.shape) == ("patch_similarity", (3, 3))
    assert one.picture is not None
    (other,) = (await serving.ask(asking(photo))).unwrap().classification.maps
    assert other.map.sum + other.map.prefix.cls + other.map.prefix.registers == pytest.approx(1, abs=1e-5)
    value = serving.metrics.registry.get_sample_value
    labels = {"model": "two", "version": "1", "method": "patch_similarity"}
    assert value("vitscope_map_requests_total", labels) == 1
    assert math.isfinite(one.map.sum)


async def test_a_bundle_that_was_exported_without_it_refuses_it(serving: Serving, models: Path, photo: bytes) -> None:
    await serving.load(models / "registers" / "1")
    ask = Ask(EncodedImage(photo), len(photo), "registers", maps=MapOptions(method="patch_similarity"))
    answer = await serving.ask(ask)
    assert answer.outcome is Outcome.INVALID
    assert "maps: model 'registers' was exported without patch_similarity; accepted: one of: attention" in str(
        answer.error
    )


def test_the_gate_compares_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "patch_similarity", ServedPatchSimilarity())
    similar = np.random.default_rng(0).standard_normal((8, 9)).astype(np.float32)

    def outputs(images: np.ndarray, sign: int) -> Outputs:
        return {"logits": np.eye(8, dtype=np.float32)[: len(images)], "patch_similarity": sign * similar[: len(images)]}

    images, identity = np.zeros((8, 2, 2, 3), np.uint8), Identity("e", "1", "f16", "d")
    assert judge(lambda i: outputs(i, 1), lambda i: outputs(i, 1), images, [8], identity, REDUCED).passed
    found = judge(lambda i: outputs(i, -1), lambda i: outputs(i, 1), images, [8], identity, REDUCED)
    assert found.shortfalls == ("at batch 8, the patch_similarity cosine falls to -1.0000, at least 0.99 is accepted",)
