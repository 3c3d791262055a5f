"""Domain errors become status codes in one place."""

import inspect

import grpc
import pytest
from structlog.testing import capture_logs

from vitscope.server import errors
from vitscope.server.api.status import CODES, status_of
from vitscope.server.errors import InvalidRequest, ModelNotFound, Outcome, Overloaded, ServerError, outcome_of


def test_every_domain_error_has_an_outcome_of_its_own_and_every_outcome_a_code() -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ServerError) and kind is not ServerError
    }
    outcomes = {kind.outcome for kind in kinds}
    assert len(outcomes) == len(kinds)
    assert outcomes == set(Outcome) - {Outcome.OK, Outcome.CANCELLED}
    assert CODES.keys() == set(Outcome)
    assert len(set(CODES.values())) == len(Outcome)


def test_an_expected_error_keeps_its_message() -> None:
    status = status_of(InvalidRequest("maps.layers", "99", "0 to 11"))
    assert (status.code, status.message) == (grpc.StatusCode.INVALID_ARGUMENT, "maps.layers: 99; accepted: 0 to 11")
    assert status.trailers == ()
    assert status_of(ModelNotFound("no")).code is grpc.StatusCode.NOT_FOUND


def test_overload_carries_pushback_that_is_never_zero() -> None:
    trailers = dict(status_of(Overloaded("full", estimated_wait=1.5, retry_after=0.25)).trailers)
    assert trailers == {"grpc-retry-pushback-ms": "251", "vitscope-estimated-wait-ms": "1501"}
    assert dict(status_of(Overloaded("full", 0.0, 0.0)).trailers)["grpc-retry-pushback-ms"] == "1"


def test_a_bug_tells_an_id_and_logs_the_rest() -> None:
    try:
        raise KeyError("secret")
    except KeyError as bug:
        with capture_logs() as logs:
            status = status_of(bug)
    assert status.code is grpc.StatusCode.INTERNAL
    assert "secret" not in status.message
    (entry,) = logs
    assert entry["error_id"] in status.message
    assert "secret" in str(entry["exc_info"])


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("y")])
def test_what_is_not_a_domain_error_is_internal(error: Exception) -> None:
    assert outcome_of(error) is Outcome.FAILED
