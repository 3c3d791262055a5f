"""The one list of image suffixes."""

from pathlib import Path

import pytest

from vitscope.image_files import SUFFIXES, is_image_name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_known_in_upper_and_lower_case(suffix: str) -> None:
    assert is_image_name(Path(f"photo{suffix}")) and is_image_name(Path(f"PHOTO{suffix.upper()}"))


@pytest.mark.parametrize("name", ["notes.txt", "photo", "photo.png.txt", ".png", "photo.svg"])
def test_other_names_are_no_images(name: str) -> None:
    assert not is_image_name(Path(name))


def test_messages_list_the_suffixes_in_order() -> None:
    assert list(SUFFIXES) == sorted(SUFFIXES)
