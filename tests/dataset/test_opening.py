"""Data sets as folders: what is read, how it is divided, and what is refused with which words."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitscope.dataset import Dataset, DatasetError, open_dataset

random = np.random.default_rng(0)


def image(path: Path, fill: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = random.integers(0, 255, (6, 5, 3), np.uint8) if fill is None else np.full((6, 5, 3), fill, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def fill(folder: Path, *labels: str, count: int = 4) -> Path:
    for label in labels:
        for number in range(count):
            image(folder / label / f"{number}.png")
    return folder


def names(data: Dataset, split: str) -> list[str]:
    return [f"{data.labels[one.label]}/{one.path.name}" for one in data.splits[split]]


def test_classes_alone_are_divided_by_seed_and_stratified(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", count=20)
    data = open_dataset(tmp_path)
    assert data.labels == ("cat", "dog")
    assert {name: data.counts(name) for name in data.splits} == {
        "train": [14, 14], "validation": [3, 3], "test": [3, 3],
    }  # fmt: skip
    parts = [set(names(data, name)) for name in data.splits]
    assert len(set().union(*parts)) == sum(map(len, parts)) == 40
    assert open_dataset(str(tmp_path)) == data
    other = open_dataset(tmp_path, seed=1)
    assert names(other, "test") != names(data, "test")
    assert other.fingerprint != data.fingerprint
    assert "test: 15% of each class held out, drawn by seed 0" in data.notes


def test_one_image_more_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", count=20)
    before = open_dataset(tmp_path)
    image(tmp_path / "cat" / "new.png")
    after = open_dataset(tmp_path)
    assert len(set(names(before, "test")) - set(names(after, "test"))) <= 1
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("split", ["val", "valid", "Validation", "dev"])
def test_splits_are_taken_as_they_are(tmp_path: Path, split: str) -> None:
    for name in ("TRAIN", split, "test"):
        fill(tmp_path / name, "cat", "dog")
    data = open_dataset(tmp_path)
    assert list(data.splits) == ["train", "validation", "test"]
    assert all(data.counts(name) == [4, 4] for name in data.splits)
    assert data.notes == ()


def test_validation_is_held_out_of_train_where_there_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "train", "cat", "dog", count=10)
    fill(tmp_path / "train", "rare", count=1)
    fill(tmp_path / "test", "cat", "dog")
    data = open_dataset(tmp_path)
    assert data.counts("train") == [8, 8, 1]
    assert data.counts("validation") == [2, 2, 0]
    assert data.counts("test") == [4, 4, 0]
    assert {"validation: no images of rare", "test: no images of rare"} < set(data.notes)


def test_nothing_is_held_out_to_measure_only(tmp_path: Path) -> None:
    data = open_dataset(fill(tmp_path, "cat", "dog"), split=False)
    assert {name: data.counts(name) for name in data.splits} == {"test": [4, 4]}


def test_small_classes_keep_an_image_to_train_on(tmp_path: Path) -> None:
    for count, label in enumerate(("one", "two", "three"), 1):
        fill(tmp_path, label, count=count)
    data = open_dataset(tmp_path)
    counts = [dict(zip(data.labels, data.counts(name), strict=True)) for name in data.splits]
    assert counts == [
        {"one": 1, "two": 1, "three": 1}, {"one": 0, "two": 1, "three": 1}, {"one": 0, "two": 0, "three": 1},
    ]  # fmt: skip


def test_copies_of_a_picture_stay_in_one_split(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", count=9)
    for number in range(9):
        Image.open(tmp_path / f"cat/{number}.png").save(tmp_path / f"cat/{number}-copy.bmp")
    data = open_dataset(tmp_path)
    for part in data.splits:
        stems = [name for name in names(data, part) if name.startswith("cat")]
        assert {name.removesuffix("-copy.bmp") for name in stems if "copy" in name} == {
            name.removesuffix(".png") for name in stems if "copy" not in name
        }


def test_links_upper_case_hidden_files_and_odd_names(tmp_path: Path) -> None:
    root = tmp_path / "data"
    fill(root, "a, b & 'c'", "d é%", "e\u0301")
    fill(tmp_path, "elsewhere")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    image(tmp_path / "one.png").rename(tmp_path / "one.PNG")
    (root / "e\u0301" / "one.PNG").symlink_to(tmp_path / "one.PNG")
    (root / "linked" / ".hidden.png").write_bytes(b"")
    (root / "linked" / "._0.png").write_bytes(b"")
    fill(root, ".cache", "__MACOSX")
    (root / "linked" / "Thumbs.db").write_bytes(b"")
    (root / "linked" / "back").symlink_to(root / "linked")  # a circle
    data = open_dataset(root)
    assert data.labels == ("a, b & 'c'", "d é%", "linked", "é")
    assert "é/one.PNG" in [name for part in data.splits for name in names(data, part)]
    assert sum(len(images) for images in data.splits.values()) == 17
    assert "left out 1 file whose suffix is not of an image: linked/Thumbs.db" in data.notes


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    assert open_dataset(fill(tmp_path, "train", "car", "test")).labels == ("car", "test", "train")


def refused(source: Path, **options: bool) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_too_deep_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "cat/2020", "cat/2021", "dog")
    message = refused(tmp_path)
    assert "8 images too deep, in sub-folders of cat (cat/2020/0.png" in message
    assert "expected" in message and "<label>/<image>" in message
    fill(tmp_path, "cat")  # some are where they belong
    assert "8 images too deep" in refused(tmp_path)


def test_a_folder_around_the_data_set_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "unpacked", "cat", "dog")
    assert f"give {tmp_path}/unpacked instead" in refused(tmp_path)
    fill(tmp_path / "unpacked" / "train", "cat")
    assert f"give {tmp_path}/unpacked instead" in refused(tmp_path)
    for split in ("train", "test"):
        fill(tmp_path / "deep" / split, "all/cat", "all/dog")
    assert "16" not in refused(tmp_path / "deep") or "too deep" in refused(tmp_path / "deep")


def test_empty_classes_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / "notes.txt").write_text("none yet")
    message = refused(tmp_path)
    assert "no images in the class folder bird; found notes.txt" in message and ".jpg" in message


def test_one_class_no_class_no_folder(tmp_path: Path) -> None:
    assert "no images and no folders" in refused(tmp_path)
    assert "found one class, cat; at least 2 are needed" in refused(fill(tmp_path, "cat"))
    assert "no such folder; accepted are" in refused(tmp_path / "nowhere")
    image(tmp_path / "stray.png")
    assert "found 1 image (stray.png) beside its folders" in refused(tmp_path)
    assert "a file; accepted are" in refused(tmp_path / "stray.png")


def test_mixed_layouts(tmp_path: Path) -> None:
    fill(tmp_path / "train", "cat", "dog")
    fill(tmp_path, "bird")
    assert "mixed layouts: train/ beside bird/" in refused(tmp_path)
    shutil.rmtree(tmp_path / "bird")
    fill(tmp_path / "val", "cat")
    fill(tmp_path / "valid", "cat")
    assert "val/ and valid/ both name the validation split" in refused(tmp_path)
    shutil.rmtree(tmp_path / "train")
    shutil.rmtree(tmp_path / "valid")
    assert "found val/ and no train/" in refused(tmp_path)


def test_labels_that_train_does_not_know(tmp_path: Path) -> None:
    fill(tmp_path / "train", "cat", "dog")
    fill(tmp_path / "test", "cat", "Dog")
    assert "test has 1 class that train has not: Dog; train has cat, dog" in refused(tmp_path)


def test_all_unreadable_images_are_named_and_skipped_only_when_asked(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", count=12)
    whole = (tmp_path / "cat/0.png").read_bytes()
    (tmp_path / "cat/cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat/empty.jpg").write_bytes(b"")
    (tmp_path / "dog/text.jpeg").write_text("no picture")
    (tmp_path / "dog/lost.png").symlink_to(tmp_path / "nowhere.png")
    message = refused(tmp_path)
    assert "4 unreadable images" in message and "--skip-unreadable" in message
    for part in (
        "cat/cut.png (",
        "cat/empty.jpg (empty file)",
        "text.jpeg (not an image)",
        "lost.png (a link to a file",
    ):
        assert part in message
    data = open_dataset(tmp_path, skip_unreadable=True)
    assert sum(len(images) for images in data.splits.values()) == 24
    assert any(note.startswith("left out 4 unreadable images: cat/cut.png") for note in data.notes)
    for number in range(20):
        (tmp_path / f"dog/{number:02}.gif").write_text("no picture")
    assert "24 unreadable images" in refused(tmp_path) and "and 14 more" in refused(tmp_path)


def test_duplicates_across_splits_are_named_and_skipped_only_when_asked(tmp_path: Path) -> None:
    for split in ("train", "test"):
        fill(tmp_path / split, "cat", "dog")
    Image.open(tmp_path / "test/cat/1.png").save(tmp_path / "train/cat/same.bmp")
    message = refused(tmp_path)
    assert "1 image of one split is in another too: train/cat/same.bmp = test/cat/1.png" in message
    data = open_dataset(tmp_path, skip_duplicates=True)
    assert data.counts("test") == [4, 4]
    assert sum(data.counts("train")) + sum(data.counts("validation")) == 8
    assert any("left out, 1 image of one split" in note for note in data.notes)


def test_a_picture_under_two_labels_is_noted(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog")
    shutil.copy(tmp_path / "cat/1.png", tmp_path / "dog/z.png")
    assert "1 picture under two labels, one of which is wrong: cat/1.png = dog/z.png" in open_dataset(tmp_path).notes


def test_names_that_are_no_labels(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog\n")
    assert r"the class folder 'dog\n' is no label" in refused(tmp_path)
