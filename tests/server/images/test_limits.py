"""The default limits accept real photos."""

from vitscope.server.images.limits import ImageLimits


def test_a_phone_photo_is_within_the_limits_and_a_decompression_bomb_is_not() -> None:
    limits = ImageLimits()
    assert 8064 * 6048 <= limits.max_pixels < 65535 * 65535
    assert limits.max_bytes == 20 * 1024 * 1024
