"""A bundle is opened on the fastest engine, as measured now or on an earlier start."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import HEIGHT, WIDTH
from tests.server.models.bundles import write_bundle
from vitscope.bundle import ATTENTION, CLASSIFY, FULL, Bundle, open_bundle
from vitscope.server.engines.choose import NoEngine, Wanted
from vitscope.server.engines.contract import Profile
from vitscope.server.engines.gate import GateFailed
from vitscope.server.errors import NotReady
from vitscope.server.models import loader as loader_module
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.loader import EngineSettings, Loader


def settings(cache: Path | None = None) -> EngineSettings:
    return EngineSettings(Wanted("openvino", "f32", True), threads=2, max_batch=2, cache=cache)


def own_images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, HEIGHT, WIDTH, 3), np.uint8)


def two_graphs(opened: Bundle) -> Bundle:
    """Return the bundle with its one graph under both names."""
    graphs = dict.fromkeys((CLASSIFY, ATTENTION), opened.manifest.graphs[CLASSIFY])
    return replace(opened, manifest=opened.manifest.model_copy(update={"graphs": graphs}))


def load(path: Path, cache: Path | None = None, stopping: bool = False) -> Loader:
    return Loader(open_bundle(path), settings(cache), lambda: stopping)


def test_the_second_start_recalls_what_the_first_has_measured(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    lane = load(path).lane(CLASSIFY)
    assert (lane.name, lane.engine.profiles[0]) == ("a/1 classify", Profile(1, 2))
    assert len(lane.slots) == lane.streams + 1
    assert len(list((path / "engines").iterdir())) == 1
    again = load(path, stopping=True).lane(CLASSIFY)
    assert [costs.measured for costs in again.costs] == [costs.measured for costs in lane.costs]


def test_the_graph_full_takes_one_image_at_a_time_on_all_threads(tmp_path: Path) -> None:
    opened = open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path))
    graphs = dict.fromkeys((CLASSIFY, FULL), opened.manifest.graphs[CLASSIFY])
    both = replace(opened, manifest=opened.manifest.model_copy(update={"graphs": graphs}))
    loader = Loader(both, settings(), lambda: False)
    loader.lane(CLASSIFY)
    lane = loader.lane(FULL)
    assert (lane.engine.max_batch, lane.best_batch, list(lane.engine.profiles)) == (1, 1, [Profile(1, 2)])
    assert len(lane.costs) == 1 and len(lane.slots) == 2


def test_a_damaged_cache_entry_is_measured_again(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    load(path)
    (entry,) = (path / "engines").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    with pytest.raises(LoadAbandoned):
        load(path, stopping=True)
    load(path)
    assert load(path, stopping=True).choice.engine == "openvino"


def test_the_settings_folder_is_used_alone(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    load(path, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert not (path / "engines").exists()


def test_what_was_measured_on_a_busy_machine_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    loaded = load(path)
    recorded = loaded.lane(CLASSIFY).costs[0].measured[1]
    (entry,) = (path / "engines").iterdir()
    before = entry.read_bytes()
    monkeypatch.setattr(loader_module, "time_one_image", lambda slot: recorded * 0.5)
    lane = loaded.lane(CLASSIFY)
    assert entry.read_bytes() != before
    assert lane.engine.profiles[0] == Profile(1, 2)


def refuse(*_: object) -> None:
    raise GateFailed("it failed the gate on this machine: at batch 2, top-1 agrees on 3.0% of the images")


def test_another_graph_that_fails_the_gate_raises_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = two_graphs(open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path)))
    loader = Loader(opened, settings(), lambda: False, images=own_images())
    assert loader.lane(CLASSIFY).engine.identity.name == "openvino"
    monkeypatch.setattr(loader_module, "require", refuse)
    with pytest.raises(
        NotReady, match=r"^model a/1 has no attention graph on openvino/f32: it failed .* top-1 agrees on 3"
    ):
        loader.lane(ATTENTION)


def test_engines_of_the_processor_are_gated_only_on_own_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(loader_module, "require", refuse)
        load(opened.path).lane(CLASSIFY)
        with pytest.raises(NoEngine, match=r"openvino/f32: it failed the gate on this machine: at batch 2"):
            Loader(opened, settings(), lambda: False, images=own_images()).lane(CLASSIFY)
    held = Loader(opened, settings(), lambda: False, images=own_images())
    held.lane(CLASSIFY)
    assert held.gates[CLASSIFY].images == 8
    again = load(opened.path)
    again.lane(CLASSIFY)
    assert again.gates == held.gates


def test_a_graph_is_not_opened_later_from_files_that_have_changed(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    loader = Loader(two_graphs(open_bundle(path)), settings(), lambda: False)
    loader.lane(CLASSIFY)
    graph = path / open_bundle(path).manifest.graphs[CLASSIFY].file
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(NotReady, match=r"model a/1 has no attention graph on openvino/f32: .*changed"):
        loader.lane(ATTENTION)
