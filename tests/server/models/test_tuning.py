"""The fastest engine and its profiles are found by comparing, and recalled from the cache."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.bundle.sample import write_sample
from tests.server.engines.graphs import write_graph
from tests.server.models.engines import Clock, Cost, TimedEngine
from vitscope.bundle import Bundle, open_bundle
from vitscope.server.engines import onnxruntime, openvino
from vitscope.server.engines.cache import EngineCache
from vitscope.server.engines.choose import Choice
from vitscope.server.engines.contract import Profile
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.tuning import Tuner, Tuning, find_fastest

BF16 = Choice(openvino.KIND, "bf16", "bf16", "", certified=True)
INT8 = Choice(openvino.KIND, "int8", "bf16", "", certified=True)
F32 = Choice(openvino.KIND, "f32", "f32", "", certified=True)
ONNX = Choice(onnxruntime.KIND, "f32", "f32", "", certified=True)


@dataclass
class EngineFactory:
    """Opens engines with given costs. opened: which ones; most: how many at a time."""

    costs: dict[Choice, Cost]
    clock: Clock = field(default_factory=Clock)
    opened: list[tuple[Choice, Profile]] = field(default_factory=list)
    engines: list[TimedEngine] = field(default_factory=list)
    most: int = 0

    def __call__(self, choice: Choice, profiles: Sequence[Profile]) -> TimedEngine:
        engine = TimedEngine(self.clock, self.costs[choice], profiles, 16)
        self.opened += [(choice, profile) for profile in profiles]
        self.engines.append(engine)
        self.most = max(self.most, sum(not e.closed for e in self.engines))
        return engine

    def tune(self, threads: int) -> Tuning:
        return Tuner(self, clock=self.clock).tune(list(self.costs), threads)


def scaling(loss: float, batch: float = 0.98, unit: float = 0.01) -> Cost:
    """Return T(n) of an engine whose speed grows as threads ** (1 - loss), and a little with the batch size."""
    return lambda profile, n: unit * n**batch / profile.threads ** (1 - loss)


def test_streams_are_added_while_that_is_faster() -> None:
    def cost(profile: Profile, n: int) -> float:
        crowded = 2.0 if profile.streams > 4 else 1.0
        return crowded * scaling(0.2)(profile, n)

    factory = EngineFactory({BF16: cost})
    tuning = factory.tune(16)
    assert tuning.engine == "openvino/bf16"
    assert tuning.profiles == [Profile(1, 16), Profile(4, 4)]
    assert max(profile.streams for _, profile in factory.opened) == 8
    assert tuning.timings[1].seconds[1] == pytest.approx(0.01 / 4**0.8)
    assert "openvino/bf16 2×8 measured 1.15 times as fast as openvino/bf16 1×16" in tuning.reason


def test_one_profile_is_enough_where_streams_gain_nothing() -> None:
    assert EngineFactory({BF16: scaling(0.0)}).tune(2).profiles == [Profile(1, 2)]


def test_the_same_rate_with_half_the_images_in_flight_is_better() -> None:
    def cost(profile: Profile, n: int) -> float:
        return 0.01 * (n if profile.streams > 1 else 0.5 * n + 0.05 * (n < 8))

    assert EngineFactory({BF16: cost}).tune(2).profiles == [Profile(1, 2), Profile(2, 1)]


def test_one_thread_leaves_nothing_to_compare() -> None:
    factory = EngineFactory({BF16: scaling(0.1)})
    tuning = factory.tune(1)
    assert (tuning.profiles, tuning.reason) == ([Profile(1, 1)], "")
    assert factory.opened == [(BF16, Profile(1, 1))]


@pytest.mark.parametrize(("int8", "winner"), [(0.006, "openvino/int8"), (0.02, "openvino/bf16")])
def test_the_faster_choice_wins_and_has_a_latency_profile_of_its_own(int8: float, winner: str) -> None:
    factory = EngineFactory({BF16: scaling(0.2), INT8: scaling(0.2, unit=int8)})
    tuning = factory.tune(2)
    assert tuning.engine == winner
    unit = min(int8, 0.01)
    assert tuning.timings[0].seconds[1] == pytest.approx(unit / 2**0.8)
    assert tuning.timings[1].seconds[1] == pytest.approx(unit)
    assert f"openvino/int8 2×1 measured {0.01 / int8:.2f} times as fast as openvino/bf16 2×1" in tuning.reason


def test_a_choice_without_the_profile_is_measured_in_one_that_it_has() -> None:
    factory = EngineFactory(
        {BF16: lambda p, n: scaling(0.2)(p, n) * (1 if p.streams < 4 else 3), ONNX: scaling(0.2, unit=0.02)}
    )
    assert factory.tune(4).profiles == [Profile(1, 4), Profile(2, 2)]
    assert (ONNX, Profile(4, 1)) in factory.opened
    assert (ONNX, Profile(2, 2)) not in factory.opened


def test_at_most_two_engines_are_open_at_a_time_and_none_stays_open() -> None:
    factory = EngineFactory({BF16: scaling(0.2), INT8: scaling(0.2), F32: scaling(0.2)})
    factory.tune(8)
    assert factory.most == 2
    assert all(engine.closed for engine in factory.engines)


def test_a_challenger_that_cannot_be_opened_is_skipped_and_nothing_stays_open() -> None:
    factory = EngineFactory({BF16: scaling(0.2), INT8: scaling(0.2, unit=0.001), F32: scaling(0.2, unit=0.005)})

    def opening(choice: Choice, profiles: Sequence[Profile]) -> TimedEngine:
        if choice is INT8:
            raise ValueError("not that graph")
        return factory(choice, profiles)

    tuning = Tuner(opening, clock=factory.clock).tune([BF16, INT8, F32], 2)
    assert tuning.engine == "openvino/f32"
    assert "openvino/int8 2×1 cannot be used, error " in tuning.reason
    assert "openvino/f32 2×1 measured 2.00 times" in tuning.reason
    assert "not that graph" not in tuning.reason, "what an engine says is for the log"
    assert all(engine.closed for engine in factory.engines)
    with pytest.raises(ValueError, match="not that graph"):
        Tuner(opening, clock=factory.clock).tune([INT8, BF16], 2)


def test_abandoning_closes_the_engines_that_were_opened() -> None:
    factory = EngineFactory({BF16: scaling(0.2)})
    with pytest.raises(LoadAbandoned):
        Tuner(factory, stopping=lambda: True, clock=factory.clock).tune([BF16], 2)
    assert len(factory.engines) == 2
    assert all(engine.closed for engine in factory.engines)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_graph(tmp_path / "graph.onnx")
    return open_bundle(write_sample(tmp_path / "models", graph=(tmp_path / "graph.onnx").read_bytes()))


def _fail() -> bool:
    raise AssertionError("it was measured again")


def test_a_second_start_measures_nothing(bundle: Bundle, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    first = find_fastest(bundle, [F32, ONNX], 2, 2, cache)
    assert first.engine in ("openvino/f32", "onnxruntime/f32")
    assert first.profiles[0] == Profile(1, 2)
    assert find_fastest(bundle, [F32, ONNX], 2, 2, cache, stopping=_fail) == first


def test_without_recall_engines_are_measured_and_the_result_is_cached(bundle: Bundle, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    find_fastest(bundle, [F32], 1, 1, cache)
    (entry,) = (tmp_path / "engines").iterdir()
    before = entry.read_bytes()
    with pytest.raises(LoadAbandoned):
        find_fastest(bundle, [F32], 1, 1, cache, recall=False, stopping=lambda: True)
    assert find_fastest(bundle, [F32], 1, 1, cache, recall=False) == find_fastest(bundle, [F32], 1, 1, cache)
    assert entry.read_bytes() != before


@pytest.mark.parametrize("change", ["choices", "threads", "max_batch", "files"])
def test_anything_that_the_result_depends_on_has_it_measured_again(bundle: Bundle, tmp_path: Path, change: str) -> None:
    cache = EngineCache(tmp_path / "engines")
    find_fastest(bundle, [F32], 2, 2, cache)
    if change == "files":
        manifest = bundle.manifest.model_copy(
            update={"files": {**bundle.manifest.files, "graphs/weights.bin": "1" * 64}}
        )
        bundle = replace(bundle, manifest=manifest)
    choices = [ONNX] if change == "choices" else [F32]
    with pytest.raises(LoadAbandoned):
        find_fastest(
            bundle,
            choices,
            threads=1 if change == "threads" else 2,
            max_batch=3 if change == "max_batch" else 2,
            cache=cache,
            stopping=lambda: True,
        )


@pytest.mark.parametrize("content", [b"", b"{}", b'{"engine":"openvino/f32","timings":[],"reason":""}',
    b'{"engine":"openvino/f32","timings":[{"streams":1,"threads":2,"seconds":{"1":-1.0}}],"reason":""}'])  # fmt: skip
def test_an_invalid_cached_tuning_is_measured_again(bundle: Bundle, tmp_path: Path, content: bytes) -> None:
    class Planted(EngineCache):
        def read(self, key: object) -> bytes | None:
            return content

    tuning = find_fastest(bundle, [F32], 1, 1, Planted(tmp_path / "engines"))
    assert tuning.profiles == [Profile(1, 1)]
