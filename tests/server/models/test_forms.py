"""Which form of a graph ONNX Runtime runs on a GPU is measured where it serves. Here the processor is in the GPU's place."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bundle.sample import MANIFEST, write_sample
from tests.server.engines import vits
from tests.server.engines.ladders import runs_here
from tests.server.models.test_repository import bundle as without_attention
from vitscope.bundle import CLASSIFY, Bundle, Resize, open_bundle
from vitscope.server.engines import choose, cuda, onnxruntime_cuda
from vitscope.server.engines.gate import GateFailed, require
from vitscope.server.engines.onnxruntime_cuda import FUSED, NAME
from vitscope.server.models import loader as loader_module
from vitscope.server.models import tuning
from vitscope.server.models.loader import EngineSettings, Loader

SQUASH = Resize(mode="squash", height=64, width=64, interpolation="bilinear")
SETTINGS = EngineSettings(choose.Wanted(NAME, "f32", False), threads=1, max_batch=2)


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = partial(onnxruntime_cuda.OnnxRuntimeCudaEngine, provider="CPUExecutionProvider")
    monkeypatch.setattr(onnxruntime_cuda, "OnnxRuntimeCudaEngine", engine)
    monkeypatch.setattr(cuda, "devices", lambda: [SimpleNamespace(name="a GPU")])
    runs_here(monkeypatch, NAME, FUSED)


@pytest.fixture
def vit(tmp_path: Path) -> Bundle:
    """A bundle of a ViT of two layers."""
    manifest = MANIFEST.model_copy(
        update={
            "labels": tuple(map(str, range(vits.DEFAULTS["classes"]))),
            "input": MANIFEST.input.model_copy(update={"height": 64, "width": 64, "resize": SQUASH}),
            "tokens": MANIFEST.tokens.model_copy(
                update={"patch_height": 16, "patch_width": 16, "grid_rows": 4, "grid_cols": 4}
            ),
            "graphs": {CLASSIFY: vits.described()[CLASSIFY]},
        }
    )
    graph = vits.traced().SerializeToString()
    return open_bundle(write_sample(tmp_path / "models", 1, "vit", graph, manifest))


def loaded(bundle: Bundle) -> Loader:
    return Loader(bundle, SETTINGS, stopping=lambda: False)


@pytest.mark.parametrize(("needed", "taken"), [(0.0, FUSED), (1e6, NAME)])
def test_both_forms_are_measured_and_the_faster_one_serves(
    vit: Bundle, monkeypatch: pytest.MonkeyPatch, needed: float, taken: str
) -> None:
    monkeypatch.setattr(
        tuning, "_FASTER", needed
    )  # how much faster the second has to be: not at all, or a million times
    loader = loaded(vit)
    lane = loader.lane(CLASSIFY)
    assert loader.choice.engine == lane.engine.identity.name == loader.gates[CLASSIFY].engine == taken
    assert re.search(rf"{FUSED}/f32 .×1 measured .* times as fast as {NAME}/f32 .×1", loader.choice.reason)
    recalled = Loader(vit, SETTINGS, stopping=lambda: pytest.fail("it was measured again"))
    assert recalled.choice == loader.choice


def test_a_graph_without_the_exported_attention_is_served_as_it_is(tmp_path: Path) -> None:
    loader = loaded(open_bundle(without_attention(tmp_path / "models", "a", 1, tmp_path)))
    assert loader.lane(CLASSIFY).engine.identity.name == NAME
    assert re.search(rf"{FUSED}/f32 .×1 cannot be used: 0 of 2 layers have the attention", loader.choice.reason)


def test_a_form_that_answers_wrongly_leaves_the_other_to_serve(vit: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def doubt(engine: onnxruntime_cuda.OnnxRuntimeCudaEngine, *arguments: object) -> object:
        if engine.identity.name == FUSED:
            raise GateFailed("it failed the gate on this machine: at batch 2, top-1 agrees on 3.0% of the images")
        return require(engine, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "_FASTER", 0.0)
    monkeypatch.setattr(loader_module, "require", doubt)
    loader = loaded(vit)
    assert loader.choice.engine == FUSED
    assert loader.lane(CLASSIFY).engine.identity.name == loader.choice.engine == NAME
