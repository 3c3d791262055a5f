"""The lean generator sends what Locust sends in the scenario `constant`."""

from collections import Counter

import pytest

from tests.e2e.harness import RunningServer
from tests.loadtest.mixes import SMALL, options
from vitscope.loadtest import lean
from vitscope.loadtest.generator import Load, LoadResult


@pytest.mark.parametrize("load", [("--rate", "20"), ("--clients", "2")])
def test_it_sends_the_load_of_the_options(server: RunningServer, load: tuple[str, str]) -> None:
    found = lean.send(server.address, options(*SMALL, "--model", "left", *load, "--duration", "1", "--deadline", "30"))
    assert found["codes"] == {"OK": found["sent"]}
    assert found["sent"] > 0 and found["goodput"] == found["rate"]
    assert found["p50_ms"] > 0 and found["cpu_ms"] > 0


def test_its_figures_are_those_of_a_phase_and_its_requests_never_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = list[Load]()

    def generate(load: Load) -> LoadResult:
        sent.append(load)
        codes = Counter({"OK": 3, "RESOURCE_EXHAUSTED": 1})
        return LoadResult(1.5, [0.1, 0.2, 0.9], [0.01], [0.0] * 4, codes, cpu_seconds=0.3, wall_seconds=3.0)

    monkeypatch.setattr(lean, "generate", generate)
    arguments = ("--stream", "1", "--maps", "0.5", "--rate", "7", "--duration", "2", "--deadline", "0.5", "--seed", "5")
    found = lean.send("localhost", options(*SMALL, *arguments, "--connections", "3"))
    (load,) = sent
    assert (load.rate, load.seconds, load.timeout, load.seed, load.connections) == (7, 2, 0.5, 5, 3)
    assert not load.stream and len(load.payloads) == 10_000
    # A fraction that asks for maps, by the length of what follows the photo; six standard errors.
    shares = Counter(len(payload.parts[1]) for payload in load.payloads)
    assert len(shares) == 2 and abs(min(shares.values()) - 5000) < 300
    assert (found["sent"], found["goodput"], found["rate"]) == (4, 1.0, 2.0)
    assert found["refusal_ratio"] == 0.25 and found["refusal_p99_ms"] == pytest.approx(10, rel=0.01)
    assert found["cpu_ms"] == pytest.approx(1000 * 0.3 * 2 / 3 / 4)
