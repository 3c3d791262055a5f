"""A bare `grpc.aio` server, the cost of gRPC itself: answers any request with a reply of fixed size."""

import argparse
import asyncio
from typing import Any

import grpc
from grpc import aio

from bench.listening import announce
from vitscope.loadtest.channels import SERVICE

# About the size of a top-5 reply without maps.
REPLY_BYTES = 450


async def serve(reply_bytes: int) -> None:
    reply = bytes(reply_bytes)

    async def answer(request: bytes, context: Any) -> bytes:
        return reply

    server = aio.server(options=[("grpc.max_receive_message_length", -1)])
    handlers = {"Classify": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(port)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reply-bytes", type=int, default=REPLY_BYTES)
    asyncio.run(serve(parser.parse_args().reply_bytes))
