"""Real builds without a GPU: TensorRT-RTX compiles for a GPU that the machine does not have."""

import importlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from tests.server.engines.tensorrt import wheels
from tests.server.engines.tensorrt.stubs import Api, describe
from vitscope.server.engines.batches import buckets
from vitscope.server.engines.tensorrt.builder import Built, Options, build
from vitscope.server.engines.tensorrt.messages import Progress
from vitscope.server.engines.tensorrt.profiles import Range, ranges

PACKAGE, MODULE = "tensorrt-rtx-cu13-bindings", "tensorrt_rtx_bindings"
_LIBRARIES = "onnxruntime-ep-nv-tensorrt-rtx-cu13"

ADA = Options(target="SM89")
"""An L4, L40S or RTX 4090: has f16, bf16 and fp8."""
THREE = ranges(buckets(32))


@cache
def process() -> ProcessPoolExecutor:
    """Return a process in which TensorRT-RTX can be imported."""
    (bindings,), (libraries,) = wheels.versions(PACKAGE), wheels.versions(_LIBRARIES)
    linked = _linked(wheels.installed(_LIBRARIES, libraries))
    return wheels.process(wheels.installed(PACKAGE, bindings), Path(linked.name))


@cache
def api() -> Api:
    """Return all public members of TensorRT-RTX's Python module."""
    result: Api = process().submit(describe, MODULE).result(timeout=60)
    return result


def built(graph: Path | bytes, ranges: Sequence[Range] = THREE, options: Options = ADA) -> Built:
    """Build a graph with the server's builder. Raises what it raises."""
    return process().submit(build_with, MODULE, graph, ranges, options).result(timeout=100)


def progress(graph: Path | bytes, cancel_at: int | None = None) -> list[tuple[str, float]]:
    """Return a build's reports of progress. Raises BuildCancelled where it is cancelled after `cancel_at` reports."""
    return process().submit(_progress, graph, cancel_at).result(timeout=100)


def build_with(module: str, graph: Path | bytes, ranges: Sequence[Range], options: Options) -> Built:
    """Build a graph, in the process that has the module."""
    return build(importlib.import_module(module), graph, ranges, options)


def _progress(graph: Path | bytes, cancel_at: int | None) -> list[tuple[str, float]]:
    reports: list[tuple[str, float]] = []

    def report(line: str, done: float) -> None:
        reports.append((line, done))
        if len(reports) == cancel_at:
            build_progress.cancel()

    trt = importlib.import_module(MODULE)
    build_progress = Progress(trt, report)
    build(trt, graph, THREE, ADA, build_progress)
    return reports


@cache
def _linked(wheel: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder with links to the libraries, under the names that the bindings load."""
    kept = tempfile.TemporaryDirectory(prefix="vitscope-rtx-")
    folder = Path(kept.name)
    for library in wheel.rglob("lib*.so.*"):
        stem, _, version = library.name.partition(".so.")
        for name in (library.name, f"{stem}.so.{version.partition('.')[0]}"):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(library)
    return kept
