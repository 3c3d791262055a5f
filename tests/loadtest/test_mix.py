"""Requests drawn by weight, and options that cannot be used."""

import io
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from tests.loadtest.mixes import SMALL, options
from vitscope.loadtest.mix import Mix, Request
from vitscope.loadtest.options import OptionError
from vitscope.v1 import classifier_pb2


def drawn(count: int, *arguments: str) -> list[Request]:
    mix, random = Mix(options(*arguments)), Random(0)
    return [mix.draw(random) for _ in range(count)]


def parsed(request: Request) -> classifier_pb2.ClassifyRequest:
    if not request.stream:
        return classifier_pb2.ClassifyRequest.FromString(request.message)
    item = classifier_pb2.ClassifyStreamRequest.FromString(request.message)
    assert item.request_id == request.number
    return item.request


def test_no_two_requests_carry_the_same_image_and_every_image_can_be_decoded() -> None:
    requests = [parsed(request) for request in drawn(100, *SMALL, "--stream", "0.5")]
    images = {request.image.encoded for request in requests}
    assert len(images) == 100
    assert all(Image.open(io.BytesIO(image)).convert("RGB").size == (64, 48) for image in images)


def test_two_processes_never_send_the_same_image() -> None:
    one, other = drawn(3, *SMALL), drawn(3, *SMALL)
    assert not {request.message for request in one} & {request.message for request in other}


def test_shares_of_maps_streams_and_models() -> None:
    requests = drawn(4000, *SMALL, "--maps", "0.25", "--stream", "0.5", "--model", "a:3,b", "--top-k", "2")
    messages = [parsed(request) for request in requests]
    counts = (
        sum(request.stream for request in requests),
        sum(message.HasField("maps") for message in messages),
        sum(message.model == "b" for message in messages),
    )
    # Six standard errors of a share of 4,000.
    assert all(abs(found - expected) < 190 for found, expected in zip(counts, (2000, 1000, 1000), strict=True))
    assert {message.top_k for message in messages} == {2}
    assert {request.name for request in requests} == {"a classes", "a with maps", "b classes", "b with maps"}


def test_all_layers_are_asked_for_only_when_told() -> None:
    assert not any(parsed(one).maps.all_layers for one in drawn(5, *SMALL, "--maps", "1"))
    assert all(parsed(one).maps.all_layers for one in drawn(5, *SMALL, "--maps", "1", "--map-layers", "all"))


def test_sizes_have_weights() -> None:
    requests = drawn(1000, "--sizes", "64x48:9,32x32:1")
    sizes = [Image.open(io.BytesIO(parsed(request).image.encoded)).size for request in requests]
    assert abs(sizes.count((32, 32)) - 100) < 60


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"--photos: {tmp_path}: no image in it; accepted: files that end in"):
        drawn(1, "--photos", str(tmp_path))
    with pytest.raises(OptionError, match="no such folder"):
        drawn(1, "--photos", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "a:0"), "--model: 'a:0' in 'a:0'; accepted: NAME or NAME:WEIGHT, a weight above 0"),
        (("--model", "a,,b"), "--model: '' in 'a,,b'"),
        (("--sizes", "64"), "--sizes: '64'; accepted: WIDTHxHEIGHT"),
        (("--sizes", "64x9000"), "--sizes: '64x9000'"),
    ],
)
def test_options_that_cannot_be_used_are_named(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(OptionError) as error:
        options(*arguments)
    assert said in str(error.value)


def test_templates_share_the_bytes_of_their_photos() -> None:
    mix, random = Mix(options(*SMALL)), Random(0)
    photos = {id(mix.template(random).payload.parts[0]) for _ in range(100)}
    assert len(photos) <= 6
