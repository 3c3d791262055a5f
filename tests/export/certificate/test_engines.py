"""The engines and precisions that are certified on this machine."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from vitscope.bundle import Bundle
from vitscope.export.certificate.engines import (
    DOT_PRODUCTS,
    Candidate,
    candidates,
    core,
    int8_candidate,
    processor_name,
)


def test_what_is_certified() -> None:
    assert [c.key for c in candidates()] == ["onnxruntime/f32", "openvino/f32", "openvino/bf16"]
    assert [c.version for c in candidates()] == [version("onnxruntime"), *[version("openvino")] * 2]
    bf16 = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert [bool(c.missing) for c in candidates()] == [False, False, not bf16]
    assert processor_name()


def test_int8_is_only_measured_where_products_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = int8_candidate(bf16_certified=True)
    assert candidate.key == "openvino/int8"
    assert bool(candidate.missing) != any(flag in Path("/proc/cpuinfo").read_text().split() for flag in DOT_PRODUCTS)
    monkeypatch.setattr("vitscope.export.certificate.engines.DOT_PRODUCTS", frozenset())
    assert "VNNI" in int8_candidate(bf16_certified=True).missing


@pytest.mark.parametrize("candidate", [c for c in candidates() if not c.missing], ids=lambda c: c.key)
def test_runs_give_outputs_by_name_and_keep_them(candidate: Candidate, bundles: dict[str, Bundle]) -> None:
    run = candidate.load(bundles["vit"].graph_path("classify"))
    first = run(np.zeros((2, 32, 32, 3), np.uint8))
    kept = {name: value.copy() for name, value in first.items()}
    run(np.full((2, 32, 32, 3), 255, np.uint8))
    assert list(first)[:3] == ["logits", "attention", "attention_prefix"]
    assert all((first[name] == kept[name]).all() for name in kept), "a later run must not write into earlier outputs"


# What is loaded on one thread, and freed on another, by the garbage collector for one.
FREED_ELSEWHERE = """
import os, signal, sys, threading
from pathlib import Path
from vitscope.export.certificate.engines import candidates
loaded = [candidates()[1].load(Path(sys.argv[1]))]
thread = threading.Thread(target=loaded.clear)
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_an_engine_was_freed_on_another_thread_is_handled(bundles: dict[str, Bundle]) -> None:
    command = [sys.executable, "-c", FREED_ELSEWHERE, str(bundles["vit"].graph_path("classify"))]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
