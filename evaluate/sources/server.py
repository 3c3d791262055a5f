"""A model on a running server, asked over one stream with a bounded window."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from grpc import StatusCode

from vitscope.client.errors import ClientError, InvalidImage, Overloaded
from vitscope.client.result import Result
from vitscope.client.sync import Client
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.sources.source import Answer, require_softmax

# An image that the server was too busy for comes again at the end, so many times.
_PASSES = 3


class ServerSource:
    """One version of a model. Raises EvaluateError if the server does not have it or cannot be reached."""

    kind = "server"

    def __init__(self, client: Client, target: str, model: str, version: int, window: int) -> None:
        self._client, self._target, self._window = client, target, window
        try:
            self._model = client.get_model(model, version)
        except ClientError as error:
            raise EvaluateError(f"--target {target}: {error}") from error
        require_softmax(self._model.activation, f"--target {target}: the head of {self._model.name}")
        self.labels, self.temperature = self._model.labels, self._model.temperature
        self.name = f"{self._model.name} version {self._model.version}"

    @property
    def settings(self) -> Mapping[str, object]:
        """The engine that the server reports, and how it was asked."""
        engine, decoding = self._model.engine, self._model.decoding.decoding
        return {
            "engine": f"{engine.name} {engine.version}, {engine.precision}" if engine else "not reported",
            "image decoding": decoding or "not reported",
            "images in flight": self._window,
        }

    def answers(self, images: Sequence[Path]) -> Iterator[Answer]:
        """Yield the logits of each image as the answers come."""
        left = list(range(len(images)))
        for turn in range(_PASSES):
            busy: list[int] = []
            for index, outcome in self._outcomes([images[index] for index in left]):
                if isinstance(outcome, Overloaded) and turn + 1 < _PASSES:
                    busy.append(left[index])
                else:
                    yield left[index], self._logits(outcome)
            left = busy
            if not left:
                return

    def _outcomes(self, images: Sequence[Path]) -> Iterator[tuple[int, Result | ClientError]]:
        try:
            yield from self._client.classify_many(
                images,
                window=self._window,
                model=self._model.name,
                version=self._model.version,
                top_k=len(self.labels),
            )
        except ClientError as error:
            raise EvaluateError(f"--target {self._target}: {error}") from error

    def _logits(self, outcome: Result | ClientError) -> np.ndarray | str:
        if isinstance(outcome, Result):
            logits = np.full(len(self.labels), np.nan, np.float32)
            for one in outcome.classes:
                logits[one.index] = one.logit
            return logits
        about_one = isinstance(outcome, InvalidImage) or outcome.code in (StatusCode.INTERNAL, StatusCode.UNKNOWN)
        if not about_one:  # every other image would fail in the same way
            raise EvaluateError(f"--target {self._target}: {outcome}")
        return outcome.message
