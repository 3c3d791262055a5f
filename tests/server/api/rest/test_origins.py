"""Which web pages may use the API."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from vitscope.server.api.rest.origins import Origins
from vitscope.server.api.rest.problems import Refusal


def request(**headers: str) -> Any:
    return make_mocked_request("POST", "/api/v1/classify", headers={"Host": "here:8501", **headers})


@pytest.mark.parametrize("origin", ["http://here:8501", "https://here:8501"])
def test_pages_of_this_server_may_use_it(origin: str) -> None:
    assert Origins().check(request(Origin=origin)) == {}
    assert Origins().check(request()) == {}


@pytest.mark.parametrize("origin", ["null", "http://here", "http://here:8501.example", "http://", ""])
def test_other_pages_may_not(origin: str) -> None:
    for allowed in ((), ("https://friend.example",)):
        with pytest.raises(Refusal, match=r"^Origin: "):
            Origins(allowed).check(request(Origin=origin))
    assert Origins("*").check(request(Origin=origin))["Access-Control-Allow-Origin"] == origin
