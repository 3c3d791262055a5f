"""A call that fails leaves nothing behind."""

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from vitscope.server.answer.activity import Activity
from vitscope.server.answer.answer import Answer
from vitscope.server.answer.deadline import Deadline
from vitscope.server.api import deadlines
from vitscope.server.api.native.servicer import ClassifierServicer
from vitscope.server.errors import Outcome, Overloaded
from vitscope.server.scheduling.callers import Callers
from vitscope.v1 import classifier_pb2, image_pb2


class Full:
    """A service that refuses everything."""

    def __init__(self) -> None:
        self.activity, self.callers = Activity(), Callers()
        self.errors: list[weakref.ref[Exception]] = []

    async def answer(self, ask: Any, caller: Any, deadline: Deadline) -> Answer:
        try:
            raise Overloaded("full", 0.1, 0.1)
        except Overloaded as error:
            self.errors.append(weakref.ref(error))
            return Answer(Outcome.REFUSED, error=error)


async def test_a_refusal_is_freed_without_the_garbage_collector() -> None:
    service: Any = Full()
    servicer = ClassifierServicer(service, None, None, 1)  # type: ignore[arg-type]
    deadlines.begin(SimpleNamespace(time_remaining=lambda: None))
    request = classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=b"photo"))
    gc.disable()
    try:
        with pytest.raises(Overloaded) as refused:
            await servicer.Classify(request, SimpleNamespace(peer=lambda: "somebody"))
        del refused
        assert [error() for error in service.errors] == [None]
    finally:
        gc.enable()
