"""Locust's entry: `locust -f loadtest/locustfile.py`, with a web page, --headless, or --master and --worker.

In an open loop a user is a Poisson process of one request per second, so that the number of users is the rate. In a
closed loop a user is a client that waits for each reply.
"""

import argparse
import logging
import sys
from typing import Any

import gevent
import grpc.experimental.gevent
from locust import LoadTestShape, User, events, runners
from rich.console import Console

grpc.experimental.gevent.init_gevent()

from vitscope.client.commands.arguments import named_server  # noqa: E402
from vitscope.loadtest.objectives import ObjectivesError  # noqa: E402
from vitscope.loadtest.options import OptionError, Options, add_options  # noqa: E402
from vitscope.loadtest.report import table, write_report  # noqa: E402
from vitscope.loadtest.session import REPORT_INTERVAL, Judge, Sender, report_live  # noqa: E402
from vitscope.loadtest.tally import now  # noqa: E402
from vitscope.loadtest.users import ClosedLoop, OpenLoop, Sending  # noqa: E402

runners.WORKER_REPORT_INTERVAL = REPORT_INTERVAL

_AT_ONCE = 1_000_000  # spawned users per second: they cost next to nothing
_log = logging.getLogger("vitscope.loadtest")


class _Session:
    """State that the hooks below share."""

    judge: Judge | None = None
    summary: dict[str, Any] | None = None
    live: Any = None


_session = _Session()


class Shape(LoadTestShape):
    """The load of --scenario."""

    def tick(self) -> tuple[int, float, list[type[User]] | None] | None:
        assert self.runner is not None
        if _session.judge is None:  # from the web page, several tests can be started in turn
            try:
                _prepare(self.runner)
            except (OptionError, ObjectivesError) as error:
                _log.error("%s", error)
                return None
        judge = _updated_judge()
        users = judge.conductor.tick(now(), self.runner.user_count)
        if users is None:
            return None
        return users, _AT_ONCE, [ClosedLoop if judge.options.clients else OpenLoop]


def _prepare(runner: Any) -> None:
    """Create what this process needs for a test. Raises OptionError, ObjectivesError."""
    options = Options.of(runner.environment.parsed_options)
    if not isinstance(runner, runners.WorkerRunner):
        _session.judge = Judge(options, distributed=isinstance(runner, runners.MasterRunner))
        descriptor = runner.environment.parsed_options.live_fd
        if descriptor is not None:
            _session.live = gevent.spawn(_report_live, runner, descriptor)
    if not isinstance(runner, runners.MasterRunner):
        if Sending.sender is not None:  # of an earlier test; a worker keeps it until its last report
            Sending.sender.connections.close()
        Sending.sender = Sender(options, runner.environment.host or named_server())


def _updated_judge() -> Judge:
    """Return the judge, with the counts of this process added."""
    judge, sender = _session.judge, Sending.sender
    assert judge is not None
    if sender is not None:
        judge.count("here", sender.report())
    return judge


def _report_live(runner: Any, descriptor: int) -> None:
    """Report to `vitscope loadtest`, and end the run when that has ended."""
    report_live(_updated_judge, descriptor)
    runner.quit()


def _options(parser: Any) -> None:
    add_options(parser)
    parser.add_argument("--live-fd", type=int, default=None, help=argparse.SUPPRESS, include_in_web_ui=False)


def _on_init(environment: Any, runner: Any, **_: Any) -> None:
    logging.getLogger("locust.runners").addFilter(lambda record: "spawn rate is very high" not in record.getMessage())
    if environment.parsed_options.headless and not isinstance(runner, runners.WorkerRunner):
        _or_exit(runner)


def _on_start(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, runners.WorkerRunner):
        _or_exit(environment.runner)


def _or_exit(runner: Any) -> None:
    try:
        _prepare(runner)
    except (OptionError, ObjectivesError) as error:
        _log.error("%s", error)
        sys.exit(2)


def _on_report(data: dict[str, Any], **_: Any) -> None:
    if Sending.sender is not None:
        data["vitscope"] = Sending.sender.report()


def _on_worker_report(client_id: str, data: dict[str, Any], **_: Any) -> None:
    if _session.judge is not None and "vitscope" in data:
        _session.judge.count(client_id, data["vitscope"])


def _on_stop(environment: Any, **_: Any) -> None:
    if _session.judge is not None:
        judge = _updated_judge()
        judge.conductor.stop(now())
        _session.summary, _session.judge = judge.summary(), None
        try:
            write_report(_session.summary, judge.options.report)
        except OSError as error:
            _log.error("--report: %s: %s", error.filename, error.strerror)
        environment.process_exit_code = 0 if _session.summary["passed"] else 1
    if Sending.sender is not None and not isinstance(environment.runner, runners.WorkerRunner):
        Sending.sender.connections.close()
        Sending.sender = None
    if _session.live is not None:
        _session.live.kill()


def _on_quit(**_: Any) -> None:
    """Print the summary below Locust's own tables."""
    if _session.summary is not None:
        Console(highlight=False).print("", table(_session.summary))


for _hook, _listener in (
    (events.init_command_line_parser, _options),
    (events.init, _on_init),
    (events.test_start, _on_start),
    (events.report_to_master, _on_report),
    (events.worker_report, _on_worker_report),
    (events.test_stop, _on_stop),
    (events.quit, _on_quit),
):
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]
