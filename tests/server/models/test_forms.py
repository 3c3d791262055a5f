"""ONNX Runtime has two forms of a graph on a GPU; the faster one serves. Here the processor stands in for the GPU."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from tests.bundle.sample import MANIFEST, write_sample
from tests.server.engines import vits
from tests.server.engines.ladders import runs_here
from tests.server.models.bundles import write_bundle
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


def loaded(bundle: Bundle, settings: EngineSettings = SETTINGS) -> Loader:
    return Loader(bundle, settings, stopping=lambda: False)


@pytest.mark.parametrize(("needed", "taken"), [(0.0, FUSED), (1e6, NAME)])
def test_both_forms_are_measured_and_the_faster_one_serves(
    vit: Bundle, monkeypatch: pytest.MonkeyPatch, needed: float, taken: str
) -> None:
    # The speed-up that the second form needs: none, or a factor of a million.
    monkeypatch.setattr(tuning, "_MIN_SPEEDUP", needed)
    # With as many images in flight for both: of equals, the form that needs fewer would win.
    settings = replace(SETTINGS, max_batch=1)
    loader = loaded(vit, settings)
    lane = loader.lane(CLASSIFY)
    assert loader.choice.engine == lane.engine.identity.name == loader.gates[CLASSIFY].engine == taken
    assert re.search(rf"{FUSED}/f32 .×1 measured .* times as fast as {NAME}/f32 .×1", loader.choice.reason)
    recalled = Loader(vit, settings, stopping=lambda: pytest.fail("it was measured again"))
    assert recalled.choice == loader.choice


def test_a_graph_without_the_exported_attention_is_served_as_it_is(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        loader = loaded(open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path)))
    assert loader.lane(CLASSIFY).engine.identity.name == NAME
    # Callers can read the reason: what the engine says, and why, is in the log alone, under the same id.
    (why,) = [event for event in logs if event["event"] == "engine cannot be used"]
    assert re.search(rf"{FUSED}/f32 .×1 cannot be used.*{why['error_id']}", loader.choice.reason)
    assert "0 of 2 layers have the attention" in why["reason"] and "0 of 2" not in loader.choice.reason


def test_if_one_form_fails_the_gate_the_other_serves(vit: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def doubt(engine: onnxruntime_cuda.OnnxRuntimeCudaEngine, *arguments: object) -> object:
        if engine.identity.name == FUSED:
            raise GateFailed("it failed the gate on this machine: at batch 2, top-1 agrees on 3.0% of the images")
        return require(engine, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "_MIN_SPEEDUP", 0.0)
    monkeypatch.setattr(loader_module, "require", doubt)
    loader = loaded(vit)
    assert loader.choice.engine == FUSED
    assert loader.lane(CLASSIFY).engine.identity.name == loader.choice.engine == NAME
