"""Callers of a service, and what they ask."""

import io
import threading
from functools import cache
from itertools import count

import grpc
from PIL import Image

from tests.deploy.monitoring import eventually
from vitscope import Client, ClientError
from vitscope.v1 import classifier_pb2, image_pb2

_numbers = count()


@cache
def _png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), 99).save(file, "PNG")
    return file.getvalue()


def image(side: int = 28) -> bytes:
    """A PNG of `side` x `side` pixels. No two alike: what follows its end is not looked at."""
    return _png(side) + b"%08d" % next(_numbers)


def request(side: int = 28) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(model="fashion", image=image_pb2.Image(encoded=image(side)))


def bare_channel(address: str) -> grpc.Channel:
    """A connection of its own, on which nothing is ever tried again."""
    return grpc.insecure_channel(address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])


class Load:
    """Callers that ask all the time with the Python client: three for one image after another, one over streams."""

    def __init__(self, address: str) -> None:
        self._address, self._end = address, threading.Event()
        self.single, self.streamed, self.failures = 0, 0, list[Exception]()
        self._threads = [threading.Thread(target=run) for run in (self._ask, self._ask, self._ask, self._stream)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def more(self, answers: int = 50) -> None:
        """Wait for so many more answers of each kind."""
        single, streamed = self.single + answers, self.streamed + answers
        eventually(lambda: self.single >= single and self.streamed >= streamed, f"no more answers: {self.failures}")

    def _ask(self) -> None:
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
