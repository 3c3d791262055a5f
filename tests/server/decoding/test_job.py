"""What goes to the process that decodes, and what comes back."""

import json

import numpy as np
import pytest

from tests.server.decoding.files import job, tiff
from vitscope.server.decoding.job import (
    Budget,
    DecodeJob,
    Failed,
    pack_failure,
    pack_prepared,
    pack_refusal,
    unpack_reply,
)
from vitscope.server.errors import InvalidRequest


def test_a_job_arrives_with_its_budget() -> None:
    sent = job(tiff(), keep_photo=True)
    found, budget = DecodeJob.unpack(sent.pack(Budget(2.5, 1000)))
    assert (budget.seconds, budget.bytes) == (2.5, 1000)
    assert [getattr(found, name) for name in sent.__slots__] == [getattr(sent, name) for name in sent.__slots__]


def test_a_decoded_image_arrives() -> None:
    sent = job(tiff(width=700, height=333), keep_photo=True)()
    found = unpack_reply(pack_prepared(sent))
    np.testing.assert_array_equal(found.pixels, sent.pixels)
    assert found.geometry == sent.geometry
    assert found.photo is not None
    assert sent.photo is not None
    assert found.photo.tobytes() == sent.photo.tobytes()


def test_a_refusal_arrives_with_its_parts() -> None:
    with pytest.raises(InvalidRequest) as caught:
        unpack_reply(pack_refusal(InvalidRequest("encoded", "nothing", "something")))
    assert (caught.value.field, caught.value.found, caught.value.accepted) == ("encoded", "nothing", "something")


def test_a_failure_arrives_with_its_kind() -> None:
    with pytest.raises(Failed, match="KeyError: 1") as caught:
        unpack_reply(pack_failure("error", "KeyError: 1"))
    assert caught.value.kind == "error"


@pytest.mark.parametrize("forged", [b"{}", b"[]", b"\x80\x04.", b'{"shape": [9, 9, 3], "geometry": {}, "photo": null}'])
def test_a_forged_reply_is_an_error_and_runs_nothing(forged: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack_reply([forged, b"x", b""])


def test_replies_are_plain_json() -> None:
    assert json.loads(pack_prepared(job(tiff())())[0])["shape"] == [224, 224, 3]
