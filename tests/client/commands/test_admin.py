"""`vitscope admin` against a real AdminService on a socket."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.admin_servicer import UNREADABLE, AdminServicer, serving_admin
from vitscope.client.commands.admin import main

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def admin() -> Iterator[str]:
    """Serve the admin service; yield host:port."""
    with serving_admin(AdminServicer()) as address:
        yield address


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (
            ["list"],
            ["fashion 1 ready openvino/bf16", "fashion 2 unloaded", "", "fashion v2 unloaded: unloaded by hand"],
        ),
        (["load", "fashion"], ["fashion 2 ready openvino/bf16"]),
        (["load", "fashion/7"], ["fashion 7 ready openvino/bf16"]),
        (["unload", "fashion/7"], ["fashion 7 unloaded", "", "fashion v7 unloaded: unloaded by hand"]),
        (["reload", "fashion"], ["fashion 1 ready openvino/bf16", "fashion 2 ready openvino/bf16"]),
    ],
)
def test_what_was_done_is_a_table(admin: str, arguments: list[str], rows: list[str], capsys: Capture) -> None:
    assert main([*arguments, "--server", admin]) == 0
    out, err = capsys.readouterr()
    assert [" ".join(line.split()) for line in out.splitlines()] == ["model version state engine", *rows]
    assert err == ""


def test_json_lines(admin: str, capsys: Capture) -> None:
    assert main(["reload", "fashion", "--json", "--server", admin]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["version"], one["state"]) for one in records] == [(1, "MODEL_STATE_READY"), (2, "MODEL_STATE_READY")]


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("none", 2, "no model 'none' in the models folder; there is fashion"),
        ("broken", 1, "broken/1/certificate.json: changed since the export"),
        ("away", 1, f"{{server}}: {UNREADABLE}"),  # UNAVAILABLE, but from the server itself
    ],
)
def test_failures_of_the_server(admin: str, name: str, status: int, said: str, capsys: Capture) -> None:
    assert main(["load", name, "--server", admin]) == status
    assert capsys.readouterr().err == f"vitscope admin: {said.format(server=admin)}\n"


def test_a_deadline_that_passes(capsys: Capture) -> None:
    with serving_admin(AdminServicer()) as address:
        assert main(["load", "slow", "--timeout", "0.3", "--server", address]) == 2
    assert "was not done within 0.3 s (--timeout), and goes on" in capsys.readouterr().err


def test_no_admin_service(server: str, unused_address: str, capsys: Capture) -> None:
    assert main(["list", "--server", server]) == 2
    assert "has no admin service: it is off, or on an address of its own" in capsys.readouterr().err
    assert main(["list", "--server", unused_address]) == 2
    assert "off unless the server is started with --admin-address" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["", "/1", "fashion/", "fashion/0", "fashion/new", "fashion/4294967296"])
def test_a_wrong_model_is_named(model: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["load", model])
    assert f"{model!r}; accepted: NAME or NAME/VERSION" in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal_and_an_interrupt_ends_the_call() -> None:
    servicer = AdminServicer()
    controller, terminal = pty.openpty()
    with serving_admin(servicer) as address:
        process = subprocess.Popen(
            [sys.executable, "-m", "vitscope", "admin", "load", "slow", "--server", address],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100", "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)  # so that reading fails when the process has ended
        shown = b""
        while b"slow/3 compiling" not in shown:
            shown += os.read(controller, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert servicer.ended.wait(5)
        assert process.stdout is not None
        process.stdout.close()
    os.close(controller)
