"""Requests drawn by the weights that the options give."""

import itertools
from dataclasses import dataclass
from random import Random

from vitscope.loadtest.numbered import MARK, Numbered, after_end, numbers
from vitscope.loadtest.options import Options
from vitscope.loadtest.photos import own_photos, sample_photos
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2


@dataclass(frozen=True)
class Template:
    """A request without its number.

    name: as reports show it. payload: a ClassifyRequest, or a ClassifyStreamRequest whose id is the number as well.
    """

    name: str
    stream: bool
    payload: Numbered


@dataclass(frozen=True)
class Request:
    """number: 16 characters, different in each request. message: the numbered payload. name, stream: see Template."""

    number: str
    stream: bool
    name: str
    message: bytes


@dataclass(frozen=True)
class _Either:
    """A part of a message, serialised for Classify and for ClassifyStream."""

    unary: bytes
    stream: bytes


class Mix:
    """Draws requests. Raises OptionError where there is no image to send."""

    def __init__(self, options: Options) -> None:
        photos = own_photos(options.photos) if options.photos else sample_photos(options.sizes)
        self._photos = [_up_to_number(image) for image, _ in photos]
        self._photo_weights = list(itertools.accumulate(weight for _, weight in photos))
        self._models, model_weights = list(options.models), options.models.values()
        self._model_weights = list(itertools.accumulate(model_weights))
        self._options = options
        self._rests = {(model, maps): _rest(options, model, maps) for model in self._models for maps in (False, True)}
        self._numbers = numbers()

    def draw(self, random: Random) -> Request:
        template, number = self.template(random), next(self._numbers)
        message = template.payload.with_number(number)
        return Request(number.decode(), template.stream, template.name, message)

    def template(self, random: Random) -> Template:
        """Draw a request without numbering it. Templates share the bytes of their photos."""
        photo = random.choices(self._photos, cum_weights=self._photo_weights)[0]
        model = random.choices(self._models, cum_weights=self._model_weights)[0]
        maps, stream = random.random() < self._options.maps, random.random() < self._options.stream
        rest = self._rests[model, maps]
        # Two serialised messages in a row are one message with the fields of both, the image of one and the options of
        # the other: Protocol Buffers, Encoding, "Last One Wins".
        parts = (photo.stream, rest.stream + _STREAM_ID, b"") if stream else (photo.unary, rest.unary)
        return Template(_name(model, maps), stream, Numbered(parts))


def _up_to_number(image: bytes) -> _Either:
    """Serialise the part of a message that holds an image, up to the number behind the end of the image."""
    request = classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=after_end(image)))
    stream = classifier_pb2.ClassifyStreamRequest(request=request)
    return _Either(*(message.SerializeToString().removesuffix(MARK) for message in (request, stream)))


def _rest(options: Options, model: str, maps: bool) -> _Either:
    """Serialise all of a message but the image."""
    request = classifier_pb2.ClassifyRequest(model=model, top_k=options.top_k)
    if maps:  # of the method that the model has first
        request.maps.CopyFrom(maps_pb2.MapOptions(all_layers=options.map_layers == "all"))
    stream = classifier_pb2.ClassifyStreamRequest(request=request)
    return _Either(request.SerializeToString(), stream.SerializeToString())


def _name(model: str, maps: bool) -> str:
    return " ".join(part for part in (model, "with maps" if maps else "classes") if part)


# An item's id, up to the number.
_STREAM_ID = classifier_pb2.ClassifyStreamRequest(request_id=MARK.decode()).SerializeToString().removesuffix(MARK)
