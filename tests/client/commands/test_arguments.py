"""Connection options, number types and messages of failed calls."""

import argparse
import contextlib
from importlib import import_module

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.cli import SUBCOMMANDS
from vitscope.client.commands.arguments import (
    ADMIN_VARIABLE,
    MOST,
    SERVER_VARIABLE,
    add_connection_options,
    connect,
    explain,
    named_server,
    number,
    whole,
)
from vitscope.client.errors import InvalidRequest, from_status

Code = grpc.StatusCode


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection_options(parser)
    return parser.parse_args(argv)


def test_defaults_and_options() -> None:
    assert (parse().server, parse().timeout, parse().tls_roots) == ("localhost:8500", 10, None)
    assert parse("--timeout", "0.5").timeout == 0.5


def test_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, "models.internal")
    assert parse().server == "models.internal"
    assert parse("--server", "other").server == "other"
    admin = ("localhost:8502", (ADMIN_VARIABLE, SERVER_VARIABLE))
    assert named_server(*admin) == "models.internal"
    monkeypatch.setenv(ADMIN_VARIABLE, "models.internal:8502")
    assert named_server(*admin) == "models.internal:8502"
    for name in admin[1]:
        monkeypatch.setenv(name, "")
    assert (parse().server, named_server(*admin)) == ("localhost:8500", "localhost:8502")


@pytest.mark.parametrize("name", ["classify", "models", "admin list", "loadtest"])
def test_every_client_command_reads_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, "models.internal:1")
    command, *argv = name.split()
    module = import_module(SUBCOMMANDS[command].module)
    assert module._parser().parse_args([*argv, *(["x"] if command == "classify" else [])]).server == "models.internal:1"


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon", "86401"])
def test_a_wrong_timeout_is_refused(timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(f"--timeout={timeout}")
    assert "--timeout" in capsys.readouterr().err


def test_a_wrong_address_is_refused_before_any_call() -> None:
    with pytest.raises(InvalidRequest, match="--server: 'nowhere:x'"):
        connect(parse("--server", "nowhere:x"))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.INVALID_ARGUMENT, "told"),
        (Code.NOT_FOUND, "told"),
        (Code.UNAVAILABLE, "here:1 does not answer: told\nIs a server running there? `make serve`"),
        (Code.DEADLINE_EXCEEDED, "here:1 did not answer in time: told\nIs a server running"),
        (Code.UNIMPLEMENTED, "here:1 is not a vitscope server of this version: told"),
        (Code.INTERNAL, "INTERNAL: told"),
    ],
)
def test_the_message_of_a_failed_call(code: grpc.StatusCode, text: str) -> None:
    assert explain(from_status(code, "told"), "here:1").startswith(text)


@given(st.text() | st.integers().map(str) | st.floats().map(str))
def test_any_text_is_a_number_within_bounds_or_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert 1 <= whole(1)(text) <= MOST
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert 0 < number(above=0, most=1)(text) <= 1
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert 0 <= number(least=0, most=1)(text) <= 1


def test_the_bounds_themselves_are_accepted() -> None:
    assert (whole(1)("1"), whole(1)(str(MOST)), whole(-5)("-5")) == (1, MOST, -5)
    assert (number(above=0, most=1)("1"), number(least=0, most=1)("0")) == (1, 0)
