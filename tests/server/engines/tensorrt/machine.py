"""A machine with TensorRT and CUDA on host memory, for tests of what runs on it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tests.server.engines.host_cuda import installed
from tests.server.engines.tensorrt.recipe import ROW, Recipe, answers
from tests.server.engines.tensorrt.recording import TensorRt
from vitscope.server.engines.contract import Identity, Outputs, Profile, Usage
from vitscope.server.engines.tensorrt import bindings
from vitscope.server.engines.tensorrt.runtime import TensorRtEngine, TensorRtSlot

BUCKETS = (1, 2, 4, 8, 12)
IDENTITY = Identity("tensorrt", "11.4", "bf16", "Host GPU")
PROFILES = (Profile(1, 1), Profile(2, 1))


@contextmanager
def machine(gpus: int = 1) -> Iterator[TensorRt]:
    """Install TensorRT and CUDA on host memory; at the end, assert that no rule was broken and nothing leaked."""
    with installed(gpus) as cuda, pytest.MonkeyPatch.context() as patch:
        trt = TensorRt(cuda)
        patch.setattr(bindings, "load", lambda: trt)
        yield trt
        assert cuda.violations == []
        assert cuda.leaks() == []
        assert Counter(trt.ended)["runtime"] == Counter(trt.ended)["engine"]


@contextmanager
def opened(recipe: Recipe | None = None, device: int = 0) -> Iterator[TensorRtEngine]:
    engine = TensorRtEngine((recipe or Recipe()).plan, IDENTITY, PROFILES, BUCKETS, device)
    try:
        yield engine
    finally:
        engine.close()


def random_images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *ROW), np.uint8)


def check_run(slot: TensorRtSlot, n: int, seed: int = 0, profile: int = 0) -> Outputs:
    """Run `n` random images and assert that the outputs are right."""
    slot.pixels[:n] = images = random_images(n, seed)
    outputs, expected = slot.run(n, profile), answers(images)
    assert outputs.keys() == expected.keys()
    for name, values in expected.items():
        assert outputs[name].dtype == np.float32
        np.testing.assert_array_equal(outputs[name], values)
    return outputs


def usage_of(engine: TensorRtEngine) -> Usage:
    usage = engine.status().usage
    assert usage
    return usage
