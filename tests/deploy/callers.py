"""Clients of a service, and their requests."""

import io
import threading
from functools import cache
from itertools import count

import grpc
from PIL import Image

from tests.deploy.monitoring import eventually
from vitscope import Client, ClientError
from vitscope.loadtest.numbered import after_end
from vitscope.v1 import classifier_pb2, image_pb2

_numbers = count()


@cache
def _png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), 99).save(file, "PNG")
    return file.getvalue()


def image(side: int = 28) -> bytes:
    """Return a PNG of `side` x `side` pixels. No two are equal."""
    return after_end(_png(side), b"%016d" % next(_numbers))


def request(side: int = 28) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(model="fashion", image=image_pb2.Image(encoded=image(side)))


def bare_channel(address: str) -> grpc.Channel:
    """Open a connection of its own, which never retries a call."""
    return grpc.insecure_channel(address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])


class Load:
    """Python clients that send all the time: three send one image after another, one sends streams."""

    def __init__(self, address: str) -> None:
        self._address, self._end = address, threading.Event()
        self.single, self.streamed, self.failures = 0, 0, list[Exception]()
        self._threads = [
            threading.Thread(target=run) for run in (self._single, self._single, self._single, self._stream)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def more(self, answers: int = 50) -> None:
        """Wait for that many more answers of each kind."""
        single, streamed = self.single + answers, self.streamed + answers
        eventually(lambda: self.single >= single and self.streamed >= streamed, f"no more answers: {self.failures}")

    def _single(self) -> None:
        with Client(self._address, timeout=30) as client:
            while not self._end.is_set():
                try:
                    self.single += bool(client.classify(image(), model="fashion").classes)
                except Exception as error:
                    self.failures.append(error)

    def _stream(self) -> None:
        with Client(self._address, timeout=30) as client:
            while not self._end.is_set():
                try:
                    for _, answer in client.classify_many((image() for _ in range(50)), model="fashion"):
                        if isinstance(answer, ClientError):
                            raise answer
                        self.streamed += 1
                except Exception as error:
                    self.failures.append(error)
