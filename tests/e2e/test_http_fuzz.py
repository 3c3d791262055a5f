"""The JSON API, asked whatever its own OpenAPI document allows, and what it does not allow.

Some seconds' worth. API_FUZZ=500 asks as many times of each operation, and anew each time.
"""

import os
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CHECKS, load_all_checks

from tests.e2e.harness import ROOT, RunningServer
from vitscope.server.api.rest.body import BYTES
from vitscope.server.api.rest.openapi import document
from vitscope.server.api.rest.options import TIMEOUT_HEADER

ASKED = int(os.environ.get("API_FUZZ", "0"))
DOCUMENT = document("1")
PHOTO = (ROOT / "examples/fashion/showcase/bag-00018.png").read_bytes()
THERE = {"model": "fashion", "version": 1, "name": "bag-00018.png"}
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
QUICK = settings(
    max_examples=ASKED or 20,
    derandomize=not ASKED,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if ASKED else [])],
    suppress_health_check=list(HealthCheck),
)
# A valid request may name a model that is not there; and a server that gave up in time has no error of its own.
load_all_checks()
CHECKED = [CHECKS.get_one(name) for name in (
    "content_type_conformance", "response_headers_conformance", "response_schema_conformance",
    "status_code_conformance", "negative_data_rejection",
)]  # fmt: skip


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=server.http)
    return schema


def in_time(case: Case) -> bool:
    """Return whether a request leaves the server time to answer: more than a busy machine takes."""
    asked = [(case.headers or {}).get(TIMEOUT_HEADER), (case.query or {}).get("timeout")]
    try:
        return min((float(seconds) for seconds in asked if seconds is not None), default=60) > 10
    except (TypeError, ValueError):
        return True  # it is refused


def ask(case: Case, session: requests.Session) -> Response:
    response = case.call(session=session)
    assert response.status_code < 500 or (response.status_code == 504 and not in_time(case)), response.text
    return response


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("fixed", [False, True], ids=["anything", "what is there"])
def test_every_reply_is_one_that_is_described(
    api: Any, server: RunningServer, method: str, path: str, fixed: bool
) -> None:
    """fixed: ask about a model and a photo that are there, so that more is answered than refused."""
    modes = [GenerationMode.POSITIVE] if fixed else [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    known: dict[str, Any] = {"path_parameters": {name: value for name, value in THERE.items() if f"{{{name}}}" in path}}
    if method == "post":
        query = {"model": "fashion", "version": 1, "timeout": 60}
        known = {"query": query, "headers": {TIMEOUT_HEADER: "60"}, "body": PHOTO, "media_type": BYTES}
    with requests.Session() as session:

        @QUICK
        @given(st.data())
        def fuzz(data: st.DataObject) -> None:
            mode = data.draw(st.sampled_from(modes))
            case: Case = data.draw(api[path][method].as_strategy(generation_mode=mode, **(known if fixed else {})))
            case.validate_response(ask(case, session), checks=CHECKED)

        fuzz()
    assert server.metric("vitscope_in_flight") == 0
