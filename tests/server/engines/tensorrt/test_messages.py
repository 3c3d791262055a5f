"""Messages and progress of TensorRT, in processes that have its real classes."""

import importlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.server.engines.tensorrt import rtx, stubs
from vitscope.server.engines.tensorrt.messages import Messages, Progress

pytestmark = pytest.mark.rtx

MODULES = dict.fromkeys(stubs.VERSIONS, "tensorrt_bindings") | {"rtx": rtx.MODULE}


@pytest.fixture(params=MODULES)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Any], Any]], Any]:
    """Return a function that calls a job with the module, in the module's process."""
    process: ProcessPoolExecutor = rtx.process() if request.param == "rtx" else stubs.process(request.param)
    return lambda job: process.submit(_with_module, job, MODULES[request.param]).result(timeout=60)


def _with_module(job: Callable[[Any], Any], module: str) -> Any:
    return job(importlib.import_module(module))


def _explained(trt: Any) -> tuple[str, str]:
    level = trt.ILogger.Severity
    with Messages(trt) as messages:
        for severity, text in (
            (level.INFO, "starting"),
            (level.WARNING, "slow"),
            (level.ERROR, "Transpose:\n  no uint8"),
            (level.ERROR, "while reading: Transpose: no uint8"),
            (level.WARNING, "slow"),
            (level.INTERNAL_ERROR, "no plan"),
        ):
            messages.logger.log(severity, text)
    messages.logger.log(level.ERROR, "later")
    with Messages(trt) as silent:
        pass
    return messages.explain("It failed"), silent.explain("It failed")


def test_messages_are_one_text_with_errors_first(run: Callable[..., Any]) -> None:
    said, nothing = run(_explained)
    assert said == "It failed\n  - Transpose: no uint8\n  - no plan\n  - (warning) slow"
    assert nothing == "It failed\n  - TensorRT gave no reason"


def _nested(trt: Any) -> tuple[bool, bool, str, str]:
    with Messages(trt) as outer:
        with Messages(trt) as inner:
            outer.logger.log(trt.ILogger.Severity.ERROR, "both")
        outer.logger.log(trt.ILogger.Severity.ERROR, "one")
    kind = isinstance(outer.logger, trt.ILogger)
    return kind, outer.logger is inner.logger, outer.explain(""), inner.explain("")


def test_all_collectors_share_the_one_logger_that_tensorrt_uses(run: Callable[..., Any]) -> None:
    assert run(_nested) == (True, True, "\n  - both\n  - one", "\n  - both")


def _flooded(trt: Any) -> list[str]:
    with Messages(trt) as messages:
        for number in range(1000):
            messages.logger.log(trt.ILogger.Severity.ERROR, f"error {number}")
    return messages.explain("").splitlines()


def test_a_flood_is_cut_after_its_beginning(run: Callable[..., Any]) -> None:
    lines = run(_flooded)
    assert lines[1] == "  - error 0"
    assert len(lines) < 200


def _logged(trt: Any) -> list[dict[str, str]]:
    level = trt.ILogger.Severity
    with capture_logs() as logs:
        logger = Messages(trt).logger
        logger.log(level.WARNING, "nobody listens")
        logger.log(level.INFO, "news")
        logger.log(level.VERBOSE, "chatter")
        with Messages(trt):
            logger.log(level.ERROR, "somebody listens")
    return [dict(entry) for entry in logs]


def test_messages_that_nobody_collects_are_logged(run: Callable[..., Any]) -> None:
    assert [(entry["text"], entry["log_level"]) for entry in run(_logged)] == [
        ("nobody listens", "warning"),
        ("news", "debug"),
        ("somebody listens", "debug"),
    ]


def _layers(trt: Any) -> list[str]:
    with Messages(trt) as messages:
        layers = ("Name: a, b, LayerType: gemm, Inputs: [ { Name: x }]", "Name: c, LayerType: kgen, Inputs: []")
        text = "\n".join(("Engine Layer Information:", *layers))
        messages.logger.log(trt.ILogger.Severity.VERBOSE, text)
    return messages.layers


def test_the_layers_that_the_builder_prints_are_kept(run: Callable[..., Any]) -> None:
    assert run(_layers) == ["a, b", "c"]


def _progress(trt: Any) -> tuple[bool, list[tuple[str, float]], bool, bool]:
    reports: list[tuple[str, float]] = []
    progress = Progress(trt, lambda line, done: reports.append((line, done)))
    monitor = progress.monitor
    monitor.phase_start("Building", None, 4)
    monitor.step_complete("Building", 0)
    monitor.phase_start("Timing", "Building", 2)
    on = monitor.step_complete("Timing", 0)
    monitor.phase_start("Other", "Building", 10)
    progress.cancel()
    off = monitor.step_complete("Other", 0)
    for name in ("Other", "Timing", "Building"):
        monitor.phase_finish(name)
    return isinstance(monitor, trt.IProgressMonitor), reports, on, off


def test_progress_is_one_line_of_nested_phases_that_never_falls_back(run: Callable[..., Any]) -> None:
    kind, reports, on, off = run(_progress)
    assert kind
    assert reports == [
        ("Building 0/4", 0.0),
        ("Building 1/4", 0.25),
        ("Building 1/4 > Timing 0/2", 0.25),
        ("Building 1/4 > Timing 1/2", 0.375),
        ("Building 1/4 > Other 0/10", 0.375),
        ("Building 1/4 > Other 1/10", 0.375),
        ("Building", 1.0),
    ]
    assert (on, off) == (True, False)
