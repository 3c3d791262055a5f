"""The gRPC method of vitscope.v1.ExplainService."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from vitscope.server.answer.answer import Answer
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.service import Service
from vitscope.server.api import deadlines
from vitscope.server.api.native.explain.replies import to_header, to_pieces
from vitscope.server.api.native.explain.requests import to_ask
from vitscope.server.api.native.fields import IN_EXPLAIN, in_request
from vitscope.server.errors import InvalidRequest
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.transit import Transit
from vitscope.v1 import explain_pb2, explain_pb2_grpc


class ExplainServicer(explain_pb2_grpc.ExplainServiceServicer):
    """Translates between messages and the answer service.

    What has not been read counts among its caller's bytes in flight; who has too much of that is refused.
    """

    def __init__(self, service: Service, transit: Transit) -> None:
        self._service, self._transit = service, transit

    async def Explain(  # noqa: N802
        self, request: explain_pb2.ExplainRequest, context: Any
    ) -> AsyncIterator[explain_pb2.ExplainResponse]:
        with self._service.activity, ExitStack() as unread:
            caller = self._service.callers.find(context.peer(), bulk=False)
            answer = await self._answer(request, deadlines.current(), caller)
            del request  # with the image in it
            if answer.error:
                error = in_request(answer.error, IN_EXPLAIN)
                try:
                    raise error
                finally:
                    del answer, error  # breaks a cycle: the error's traceback holds this frame
            result = answer.unwrap()
            internals = result.classification.internals
            assert internals is not None
            # gRPC takes the next piece when it has sent the last one; what is left lies here, and is counted.
            held = unread.enter_context(self._transit.hold_rest(caller, internals.selection.total_bytes))
            yield to_header(result, internals)
            blocks, size = deque(internals.blocks), internals.selection.piece_bytes
            internals.blocks = []
            while blocks:
                for piece in to_pieces(blocks.popleft(), size):
                    yield piece
                    held.sent(len(piece.piece.values))

    async def _answer(self, request: explain_pb2.ExplainRequest, deadline: Deadline, caller: Caller) -> Answer:
        try:
            ask = to_ask(request)
        except InvalidRequest as error:
            return self._service.invalid(request.model, request.version, error)
        return await self._service.answer(ask, caller, deadline)
