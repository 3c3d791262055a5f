"""What each request asks, and its bytes."""

import itertools
import os
from dataclasses import dataclass
from random import Random

from vitscope.loadtest.options import Options
from vitscope.loadtest.photos import own_photos, sample_photos
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

# Stands in a message where the number of a request goes; nothing else in a photo looks like it.
_MARK = b"@vitscope-number"


@dataclass(frozen=True)
class Request:
    """number: unlike that of any other request, 16 characters. message: a ClassifyRequest, or ClassifyStreamRequest with the
    number as its id, serialised. name: of the kind, as reports show it."""

    number: str
    stream: bool
    name: str
    message: bytes


@dataclass(frozen=True)
class _Photo:
    """The part of the message that holds the image, up to the number at the image's end."""

    unary: bytes
    stream: bytes


class Mix:
    """Draws requests as the options weight them. Raises OptionError where there is no image to send."""

    def __init__(self, options: Options) -> None:
        photos = own_photos(options.photos) if options.photos else sample_photos(options.sizes)
        self._photos = [_photo(image) for image, _ in photos]
        self._photo_weights = list(itertools.accumulate(weight for _, weight in photos))
        self._models, model_weights = list(options.models), options.models.values()
        self._model_weights = list(itertools.accumulate(model_weights))
        self._options = options
        self._asked = {(model, maps): _asked(options, model, maps) for model in self._models for maps in (False, True)}
        # Two processes that number alike would send equal images, of which the server computes one.
        self._prefix, self._numbers = os.urandom(4).hex(), itertools.count()

    def draw(self, random: Random) -> Request:
        options = self._options
        photo = random.choices(self._photos, cum_weights=self._photo_weights)[0]
        model = random.choices(self._models, cum_weights=self._model_weights)[0]
        maps, stream = random.random() < options.maps, random.random() < options.stream
        number = f"{self._prefix}{next(self._numbers) & 0xFFFFFFFF:08x}"
        unary, streamed = self._asked[model, maps]
        # Messages one after the other are one message with the fields of all: Protocol Buffers, Encoding, "Last One Wins".
        if stream:
            identity = classifier_pb2.ClassifyStreamRequest(request_id=number).SerializeToString()
            message = b"".join((photo.stream, number.encode(), streamed, identity))
        else:
            message = b"".join((photo.unary, number.encode(), unary))
        return Request(number, stream, _name(model, maps), message)


def _photo(image: bytes) -> _Photo:
    """Bytes after the end of an image file are not looked at, in any format, and make two requests for it unequal."""
    request = classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=image + _MARK))
    stream = classifier_pb2.ClassifyStreamRequest(request=request)
    return _Photo(*(message.SerializeToString().removesuffix(_MARK) for message in (request, stream)))


def _asked(options: Options, model: str, maps: bool) -> tuple[bytes, bytes]:
    """All but the image, for Classify and for ClassifyStream."""
    request = classifier_pb2.ClassifyRequest(model=model, top_k=options.top_k)
    if maps:
        request.maps.CopyFrom(
            maps_pb2.MapOptions(method=maps_pb2.MAP_METHOD_ATTENTION, all_layers=options.map_layers == "all")
        )
    stream = classifier_pb2.ClassifyStreamRequest(request=request)
    return request.SerializeToString(), stream.SerializeToString()


def _name(model: str, maps: bool) -> str:
    return " ".join(part for part in (model, "with maps" if maps else "classes") if part)
