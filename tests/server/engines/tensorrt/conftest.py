"""Fixtures for tests on the stand-ins for TensorRT and CUDA."""

from collections.abc import Iterator

import pytest

from tests.server.engines.tensorrt.machine import machine
from tests.server.engines.tensorrt.recording import TensorRt


@pytest.fixture
def trt() -> Iterator[TensorRt]:
    with machine() as trt:
        yield trt
