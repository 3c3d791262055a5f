"""The default limits let real photos through."""

from vitscope.server.images.limits import ImageLimits


def test_a_phone_photo_fits_and_a_bomb_does_not() -> None:
    limits = ImageLimits()
    assert 8064 * 6048 <= limits.max_pixels < 65535 * 65535
    assert limits.max_bytes == 20 * 1024 * 1024
