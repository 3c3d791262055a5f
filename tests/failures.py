"""Failures are told as they happen: a run that never ends, or is ended from outside, shows no summary."""

import subprocess
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling


class Files(LoadFileScheduling):  # type: ignore[misc]
    """xdist's `--dist loadfile`, which also ends when a worker is lost.

    A worker holds its last test back until there is another one, or the word that there is none. With xdist's own
    scheduler there is no such word once a worker was lost: its finished files are given out again, with nothing to run
    in them, and what replaces it may get a single test.
    """

    def remove_node(self, node: Any) -> str | None:
        files = self.assigned_work[node]
        for name in [name for name, tests in files.items() if all(tests.values())]:
            del files[name]
        crashed: str | None = super().remove_node(node)
        return crashed

    def _assign_work_unit(self, node: Any) -> None:
        super()._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()


class Told:
    """Writes the name and the error of each failure, and how a worker ended that was lost."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def _write(self, line: str) -> None:
        if terminal := self._config.pluginmanager.get_plugin("terminalreporter"):
            terminal.ensure_newline()
            terminal.write_line(line)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._write(f"FAILED in {report.when}: {report.nodeid}: {crash.message if crash else report.longrepr}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Files | None:
        return Files(config, log) if config.getoption("dist") == "loadfile" else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error is None:
            return
        process = node.gateway._io.popen
        try:
            code = process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        self._write(f"worker {node.gateway.id} was lost: {error}; exit code {code} (minus the signal)")


def tell(config: pytest.Config) -> None:
    """Let the process that reports tell of failures; workers only run tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Told(config), "told")
