"""Data sets of the hub, served by a stand-in to the real client; and a fine-tuning whose base is of the hub too."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.export.checkpoints import save, vit
from tests.finetune.conftest import two_colours
from tests.hub import Hub, client_of, serve
from vitscope.dataset import TEST, TRAIN, VALIDATION, DatasetError, open_dataset
from vitscope.finetune.cli import main

NAMES = ["red", "blue"]
README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': red
          '1': blue
---
"""


def parquet(
    file: Path, count: int, hidden: int = 0, described: bool = True, seed: int = 0, names: Sequence[str] = NAMES
) -> None:
    """Write `count` images of each of two labels, and `hidden` whose label is -1, as the hub's own tools do."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    images = two_colours(file.parent / f"images-of-{file.stem}", count + hidden, seed)
    rows: list[dict[str, Any]] = [
        {"image": {"bytes": path.read_bytes(), "path": path.name}, "label": label if number < count else -1}
        for label, name in enumerate(NAMES)
        for number, path in enumerate(sorted((images / name).iterdir()))
    ]
    for path in images.rglob("*.png"):
        path.unlink()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})} if described else {}
    schema = pa.schema([("image", kind), ("label", pa.int64())], metadata=about)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)


def as_parquet(folder: Path) -> Path:
    """A data set as most are: data/<split>-00000-of-00001.parquet beside a README."""
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    parquet(folder / "data" / "train-00000-of-00001.parquet", 10)
    parquet(folder / "data" / "test-00000-of-00001.parquet", 3, hidden=2, seed=1)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub, which tests put data sets and models into."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve({}) as hub, client_of(hub, tmp_path / "hub-cache", monkeypatch):
        yield hub


def counts(source: str) -> dict[str, int]:
    data = open_dataset(source)
    assert sorted(data.labels) == ["blue", "red"]
    return {name: len(images) for name, images in data.splits.items()}


def test_images_in_folders(hub: Hub, tmp_path: Path) -> None:
    for split, count, seed in (("train", 8, 0), ("validation", 2, 1), ("test", 2, 2)):
        two_colours(tmp_path / "set" / "data" / split, count, seed)
    (tmp_path / "set" / "README.md").write_text("no images")
    hub.datasets["team/colours"] = tmp_path / "set"
    assert counts("team/colours") == {TRAIN: 16, VALIDATION: 4, TEST: 4}
    assert "README.md" not in hub.fetched()


def test_parquet_is_unpacked_once_and_found_again_without_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.datasets["team/colours"] = as_parquet(tmp_path / "set")
    expected = {TRAIN: 16, VALIDATION: 4, TEST: 6}  # those whose label is hidden are left out
    assert counts("team/colours") == expected
    assert hub.fetched() == {"train-00000-of-00001.parquet", "test-00000-of-00001.parquet"}
    hub.requests.clear()
    assert counts("team/colours") == expected
    assert not hub.fetched()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert counts("team/colours") == expected


def test_a_configuration_is_chosen_by_name(hub: Hub, tmp_path: Path) -> None:
    for name, count in (("small", 7), ("large", 14)):
        (tmp_path / "set" / name).mkdir(parents=True)
        parquet(tmp_path / "set" / name / "train-00000-of-00001.parquet", count)
    hub.datasets["team/colours"] = tmp_path / "set"
    with pytest.raises(DatasetError, match=r"2 configurations; accepted are team/colours:large, team/colours:small"):
        open_dataset("team/colours")
    with pytest.raises(DatasetError, match=r"2 configurations; accepted are"):
        open_dataset("team/colours:other")
    assert sum(counts("team/colours:small").values()) == 14
    assert sum(counts("team/colours:large").values()) == 28


def test_what_the_hub_has_converted_to_parquet(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images.zip").write_bytes(b"not read")
    (tmp_path / "converted" / "default" / "train").mkdir(parents=True)
    parquet(tmp_path / "converted" / "default" / "train" / "0000.parquet", 7)
    hub.datasets["team/colours"] = tmp_path / "set"
    hub.datasets["team/colours@refs/convert/parquet"] = tmp_path / "converted"
    assert sum(counts("team/colours").values()) == 14
    assert hub.fetched() == {"0000.parquet"}


def test_labels_without_names_are_their_numbers(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    parquet(tmp_path / "set" / "train.parquet", 7, described=False)
    hub.datasets["team/colours"] = tmp_path / "set"
    assert open_dataset("team/colours").labels == ("0", "1")


@pytest.mark.parametrize(
    ("names", "message"), [(("red",), "label 1 in column label; it names 1 labels"), (("red", ".."), "is called '..'")]
)
def test_labels_that_are_wrong(names: tuple[str, ...], message: str, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    parquet(tmp_path / "set" / "train.parquet", 7, names=names)
    hub.datasets["team/colours"] = tmp_path / "set"
    with pytest.raises(DatasetError, match=message):
        open_dataset("team/colours")


@pytest.mark.parametrize(
    ("files", "closed", "message"),
    [
        ({"README.md": b"text"}, False, "no images and no Parquet files|that the hub gives"),
        ({"train.parquet": b"damaged"}, False, r"team/other: train\.parquet cannot be read: "),
        ({"train.parquet": b"damaged"}, True, "Access to team/other is restricted|403"),
        (None, False, "no data set that the hub gives"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(
    files: dict[str, bytes] | None, closed: bool, message: str, hub: Hub, tmp_path: Path
) -> None:
    if files is not None:
        (tmp_path / "set").mkdir()
        for name, content in files.items():
            (tmp_path / "set" / name).write_bytes(content)
        hub.datasets["team/other"] = tmp_path / "set"
    if closed:
        hub.closed = frozenset({"team/other"})
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset("team/other")
    assert "\n" not in str(caught.value)


def test_fine_tuning_takes_data_and_base_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.datasets["team/colours"] = as_parquet(tmp_path / "set")
    hub.models["team/vit"] = save(tmp_path / "vit", vit())
    out = tmp_path / "out"
    assert main(["team/colours", "--base", "team/vit", "--mode", "probe", "--threads", "1", "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["id2label"] == {"0": "blue", "1": "red"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["images"] == 6 and metrics["accuracy"]["value"] == 1
    card = (out / "README.md").read_text()
    assert 'base_model: "team/vit"' in card and "team/colours" in card
    assert "model.safetensors" in hub.fetched()
