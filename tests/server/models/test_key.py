"""Keys of model versions."""

from pathlib import Path

from vitscope.server.models.key import ModelKey


def test_a_key_is_written_as_name_and_version() -> None:
    assert str(ModelKey("vit", 12)) == f"{ModelKey('vit', 12)}" == "vit/12"


def test_keys_are_ordered_by_name_and_then_by_number() -> None:
    keys = [ModelKey("b", 1), ModelKey("a", 10), ModelKey("a", 9)]
    assert sorted(keys) == [("a", 9), ("a", 10), ("b", 1)]


def test_the_key_of_a_folder() -> None:
    assert ModelKey.of(Path("models/vit/3")) == ModelKey("vit", 3)
