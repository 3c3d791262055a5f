"""Deadlines and errors as HTTP has them."""

from typing import cast

import pytest

from vitscope.server.api.rest.options import read_options
from vitscope.server.api.rest.problems import problem
from vitscope.server.errors import Overloaded


def test_a_header_and_a_query_may_both_have_a_deadline_and_the_sooner_counts() -> None:
    both = read_options([("timeout", "5"), ("top_k", "3")], {"X-Request-Timeout": "1.5"})
    assert both.deadline.at - both.deadline.received == pytest.approx(1.5)
    assert both.fields == [("top_k", "3")]


def test_seconds_to_retry_are_rounded_up_and_never_zero() -> None:
    for seconds, header in ((0.01, "1"), (1.0, "2"), (2.5, "3")):
        assert problem(Overloaded("full", 0.0, seconds)).headers["Retry-After"] == header


def test_a_bug_is_told_by_its_id_only() -> None:
    found = problem(RuntimeError("a secret"))
    body = cast(bytes, found.body)
    assert found.status == 500 and b"secret" not in body and b"internal error" in body
