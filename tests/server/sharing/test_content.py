"""Images as keys: equality covers all bytes, the hash only samples."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.sharing.content import Content, digest

# Few different bytes and long runs, so that images with equal samples and different bytes are generated.
images = st.lists(st.tuples(st.sampled_from(b"ab"), st.integers(1, 600)), max_size=6).map(
    lambda runs: b"".join(bytes([byte]) * length for byte, length in runs)
)


@given(images, images)
def test_equal_exactly_where_the_bytes_are(one: bytes, other: bytes) -> None:
    assert (Content(one) == Content(other)) == (one == other)
    assert ({Content(one): 1}.get(Content(other)) == 1) == (one == other)


@given(st.binary(max_size=2000))
def test_a_copy_is_equal(data: bytes) -> None:
    copy = bytes(bytearray(data))
    assert Content(copy) == Content(data)
    assert hash(Content(copy)) == hash(Content(data))


def test_images_that_differ_outside_the_samples_are_two_keys() -> None:
    one = bytes(10_000)
    other = one[:2_000] + b"x" + one[2_001:]
    assert hash(Content(one)) == hash(Content(other)), "their samples should be equal"
    assert len({Content(one): 1, Content(other): 2}) == 2


def test_is_not_equal_to_other_types() -> None:
    assert Content(b"a") != b"a"


def test_many_images_with_equal_samples_are_as_many_keys() -> None:
    def image(n: int) -> bytes:
        return bytes(3_000) + bytes([1, n]) + bytes(7_000)

    keys = {Content(image(n)): n for n in range(200)}
    assert len({hash(key) for key in keys}) == 1, "their samples should be equal"
    assert [keys[Content(image(n))] for n in range(200)] == list(range(200))


def test_digest_is_sha256() -> None:
    assert digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert digest(bytes(10**6)) == hashlib.sha256(bytes(10**6)).digest()
