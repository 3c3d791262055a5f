"""Every way in which a question can end, and that it is counted once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.server.answer.serving import Serving, numbered
from tests.server.models.bundles import write_bundle
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.answer.deadline import Deadline
from vitscope.server.errors import InvalidRequest, ModelNotFound, NotReady, Outcome, Overloaded
from vitscope.server.maps.options import MapOptions


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(tmp_path / "cache", engine="onnxruntime", max_in_flight=4)
    await serving.load(write_bundle(tmp_path / "models", "a", 1, tmp_path))
    yield serving
    await serving.close()


async def test_an_answer_says_what_was_found_and_where_the_time_went(serving: Serving) -> None:
    answer = await serving.ask(numbered(1), seconds=20)
    result = answer.unwrap()
    assert (answer.outcome, result.model, result.version, result.batch_size) == (Outcome.OK, "a", 1, 1)
    assert [ranked.label for ranked in result.classification.classes] == ["2"]
    assert list(result.durations) == ["receive", "decode", "queue", "batch", "infer", "maps", "total"]
    assert serving.counted("OK") == 1
    labels = {"model": "a", "version": "1"}
    assert serving.metrics.registry.get_sample_value("vitscope_deadline_used_ratio_count", labels) == 1


@pytest.mark.parametrize(
    ("ask", "outcome", "error", "says"),
    [
        (numbered(1, model="b"), Outcome.NOT_FOUND, ModelNotFound, "model 'b' is not served here; there is a"),
        (replace(numbered(1), version=7), Outcome.NOT_FOUND, ModelNotFound, "no version 7"),
        (replace(numbered(1), min_probability=2.0), Outcome.INVALID, InvalidRequest, "min_probability: 2; accepted"),
        (replace(numbered(1), maps=MapOptions()), Outcome.INVALID, InvalidRequest, "maps: model 'a' was exported"),
        (Ask(EncodedImage(b"hello there"), 1, "a"), Outcome.INVALID, InvalidRequest, "encoded: 11 bytes"),
    ],
)
async def test_what_cannot_be_used_is_an_outcome_and_no_exception(
    serving: Serving, ask: Ask, outcome: Outcome, error: type[Exception], says: str
) -> None:
    answer = await serving.ask(ask)
    assert answer.outcome is outcome
    assert isinstance(answer.error, error) and says in str(answer.error)
    with pytest.raises(error):
        answer.unwrap()
    assert serving.counted(outcome.value) == 1


async def test_a_full_server_refuses(serving: Serving) -> None:
    with serving.admission.place(serving.service.callers.find("another", False), 1):
        for _ in range(2):
            serving.admission.count(serving.service.callers.find("another", False), 1, 1)
        holder = serving.service.callers.find("somebody", False)
        serving.admission.count(holder, 1, 1)
        answer = await serving.ask(numbered(1))
    assert answer.outcome is Outcome.REFUSED
    assert isinstance(answer.error, Overloaded)
    assert serving.counted("RESOURCE_EXHAUSTED") == 1
    assert serving.metrics.registry.get_sample_value("vitscope_refusals_total", {"reason": "in_flight"}) == 1


async def test_a_deadline_that_has_passed_is_late(serving: Serving) -> None:
    answer = await serving.ask(numbered(1), seconds=-1)
    assert answer.outcome is Outcome.LATE
    assert serving.counted("DEADLINE_EXCEEDED") == 1
    assert serving.metrics.registry.get_sample_value("vitscope_refusals_total", {"reason": "expired"}) == 1


@pytest.mark.parametrize(("left", "code"), [(100.0, "CANCELLED"), (0.0, "DEADLINE_EXCEEDED")])
async def test_a_call_that_is_cancelled_is_counted_as_what_it_was(serving: Serving, left: float, code: str) -> None:
    began = asyncio.get_running_loop().time()
    deadline = Deadline(began - 100, began + left)
    deadline_of_the_work = Deadline(began, began + 100)
    caller = serving.service.callers.find("somebody", True)
    async with caller.place_lock:  # so that it waits
        task = asyncio.create_task(serving.service.answer(numbered(1), caller, deadline))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert deadline.missed(began) is (code == "DEADLINE_EXCEEDED"), "whoever asks later is told the same"
    assert not deadline_of_the_work.missed(began)
    assert serving.counted(code) == 1


async def test_a_model_that_is_not_ready_is_an_outcome(serving: Serving, tmp_path: Path) -> None:
    serving.repository.replace(serving.repository.create(write_bundle(tmp_path / "models", "slow", 1, tmp_path)))
    answer = await serving.ask(numbered(1, model="slow"))
    assert answer.outcome is Outcome.NOT_READY
    assert isinstance(answer.error, NotReady)
    assert serving.counted("UNAVAILABLE") == 1


async def test_a_bug_is_an_outcome_too(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.classifier, "classify", lambda model, query: 1 / 0)
    answer = await serving.ask(numbered(1))
    assert answer.outcome is Outcome.FAILED
    assert isinstance(answer.error, ZeroDivisionError)
    assert serving.counted("INTERNAL") == 1


async def test_a_request_that_its_transport_cannot_read_is_counted_for_its_model(serving: Serving) -> None:
    error = InvalidRequest("dtype", "77", "1 to 3")
    assert serving.service.invalid("a", 0, error).error is error
    labels = {"model": "a", "version": "1", "engine": "onnxruntime/f32", "code": "INVALID_ARGUMENT"}
    assert serving.metrics.registry.get_sample_value("vitscope_requests_total", labels) == 1
    assert serving.service.invalid("nobody", 0, error).outcome is Outcome.NOT_FOUND
    assert serving.counted("NOT_FOUND") == 1


async def test_while_it_is_answered_the_model_is_held(serving: Serving) -> None:
    model = serving.repository.ready("a", 1)
    answers = [asyncio.create_task(serving.ask(numbered(number))) for number in range(2)]
    await asyncio.sleep(0)
    freed = serving.repository.retire(model)
    assert [(await answer).outcome for answer in answers] == [Outcome.OK] * 2
    await asyncio.wait_for(freed, 10)
