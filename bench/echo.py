"""A bare `grpc.aio` server: takes the bytes of a request and answers with a reply of fixed size. What gRPC itself costs."""

import argparse
import asyncio
from typing import Any

import grpc
from grpc import aio

from bench.listening import announce
from bench.load import CLASSIFY

# About what a top-5 answer without maps takes.
REPLY_BYTES = 450


async def serve(reply_bytes: int) -> None:
    reply = bytes(reply_bytes)

    async def answer(request: bytes, context: Any) -> bytes:
        return reply

    server = aio.server(options=[("grpc.max_receive_message_length", -1)])
    service, method = CLASSIFY.strip("/").split("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(port)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reply-bytes", type=int, default=REPLY_BYTES)
    asyncio.run(serve(parser.parse_args().reply_bytes))
