"""Opening bundles: every change of a file is found and named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bundle.sample import MANIFEST, write_sample
from vitscope.bundle import CLASSIFY, INT8, BundleError, BundleWriter, Certificate, discover, open_bundle
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.reader import checksum_line

FILES = (
    "manifest.json", "manifest.sha256", "certificate.json", "explain.npz", "graphs/classify.onnx", "graphs/weights.bin",
)  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "models")


@pytest.fixture(scope="module")
def shared_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("models"))


def reseal(bundle: Path) -> None:
    """Make manifest.sha256 match again, to reach the checks after it."""
    (bundle / "manifest.sha256").write_bytes(checksum_line(bundle / "manifest.json"))


def edit(bundle: Path, **changes: object) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    reseal(bundle)


def test_an_intact_bundle_opens(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.manifest.labels == ("cat", "dog")
    assert opened.graph_path(CLASSIFY).read_bytes() == b"graph"
    assert opened.explain()["patch_kernel"].shape == (12, 3, 4, 4)
    assert set(FILES) == {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}


def write_variant(models: Path, *files: str) -> Path:
    """Write a bundle whose manifest gives its `classify` graph an int8 variant, and that has these files."""
    graph = MANIFEST.graphs[CLASSIFY]
    graph = graph.model_copy(update={"variants": {INT8: "graphs/classify.int8.onnx"}})
    with BundleWriter(models, "sample") as writer:
        (writer.path / "graphs").mkdir()
        for name in (graph.file, *files):
            (writer.path / name).write_bytes(name.encode())
        writer.save_certificate(Certificate())
        return writer.publish(MANIFEST.model_copy(update={"graphs": {CLASSIFY: graph}, "files": writer.files()}))


def test_a_variant_is_found_and_held_to_its_hash(tmp_path: Path) -> None:
    path = write_variant(tmp_path, "graphs/classify.int8.onnx")
    opened = open_bundle(path)
    assert opened.manifest.variants == {INT8}
    assert opened.graph_path(CLASSIFY, INT8).read_bytes() == b"graphs/classify.int8.onnx"
    assert opened.graph_path(CLASSIFY).read_bytes() == b"graphs/classify.onnx"
    opened.graph_path(CLASSIFY, INT8).write_bytes(b"other")
    with pytest.raises(BundleError, match=r"graphs/classify.int8.onnx: changed since the export"):
        open_bundle(path)


def test_a_variant_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"names 'graphs/classify.int8.onnx', which is not among files"):
        open_bundle(write_variant(tmp_path))


def test_a_bundle_written_before_there_were_variants_has_none(bundle: Path) -> None:
    graphs = json.loads((bundle / "manifest.json").read_text())["graphs"]
    assert graphs["classify"].pop("variants") == {}
    edit(bundle, graphs=graphs)
    opened = open_bundle(bundle)
    assert not opened.manifest.variants
    with pytest.raises(KeyError):
        opened.graph_path(CLASSIFY, INT8)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: missing"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_found(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[:-1])
    with pytest.raises(BundleError, match="changed since the export"):
        open_bundle(bundle)


@settings(max_examples=60)
@given(st.sampled_from(FILES), st.data())
def test_any_flipped_bit_in_any_file_is_found(shared_bundle: Path, name: str, data: st.DataObject) -> None:
    path = shared_bundle / name
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    flipped = bytearray(original)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        path.write_bytes(flipped)
        with pytest.raises(BundleError, match=r"changed since the export|newer than this vitscope"):
            open_bundle(shared_bundle)
    finally:
        path.write_bytes(original)
    open_bundle(shared_bundle)


def test_a_changed_file_is_named_with_both_hashes(bundle: Path) -> None:
    (bundle / "graphs/weights.bin").write_bytes(b"other")
    with pytest.raises(
        BundleError, match=r"graphs/weights.bin: changed since the export; SHA-256 is \w{12}…, .* says \w{12}…"
    ):
        open_bundle(bundle)


def test_a_file_that_is_not_listed_is_refused_but_the_engine_cache_is_not(bundle: Path) -> None:
    (bundle / "engines").mkdir()
    (bundle / "engines/plan.bin").write_bytes(b"compiled")
    open_bundle(bundle)
    (bundle / "graphs/extra.onnx").write_bytes(b"?")
    with pytest.raises(BundleError, match=r"graphs/extra.onnx: not listed"):
        open_bundle(bundle)


def test_a_newer_schema_is_reported_before_anything_else(bundle: Path) -> None:
    (bundle / "manifest.json").write_text('{"schema_version": 3, "something": "new"}')
    with pytest.raises(BundleError, match=r"schema version 3 is newer than this vitscope reads \(2\); update vitscope"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": []}, "labels: Tuple should have at least 1 item"),
        ({"layers": 0}, "layers: Input should be greater than 0"),
        ({"colour": "RGB"}, "colour: Extra inputs are not permitted"),
        ({"graphs": {}}, "graphs must hold 'classify'"),
        ({"name": "../x"}, "name: String should match pattern"),
    ],
)
def test_a_wrong_field_is_named(bundle: Path, changes: dict[str, object], message: str) -> None:
    edit(bundle, **changes)
    with pytest.raises(BundleError, match=message):
        open_bundle(bundle)


def test_a_file_outside_the_bundle_is_refused(bundle: Path) -> None:
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    edit(bundle, files={**files, "../../secret": "0" * 64})
    with pytest.raises(BundleError, match="outside the bundle"):
        open_bundle(bundle)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing: no such folder"):
        open_bundle(tmp_path / "nothing")


def test_discover_orders_by_number_and_ignores_what_is_not_a_bundle(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for version in (2, 10, 1):
        write_sample(models, version)
    (models / "sample" / ".3-half-written").mkdir()
    (models / "sample" / "notes").mkdir()
    (models / "sample" / "04").mkdir()
    (models / "README").write_text("hello")
    assert [p.name for p in discover(models)] == ["1", "2", "10"]
    with pytest.raises(BundleError, match="no such folder; expected"):
        discover(tmp_path / "elsewhere")


def test_explain_never_unpickles(bundle: Path) -> None:
    np.savez(bundle / "explain.npz", bad=np.array([{"a": 1}], dtype=object))
    manifest = json.loads((bundle / "manifest.json").read_text())
    edit(bundle, files={**manifest["files"], "explain.npz": sha256_of(bundle / "explain.npz")})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        open_bundle(bundle).explain()


def test_a_copy_elsewhere_is_as_good(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "elsewhere" / "sample" / "1")
    assert open_bundle(tmp_path / "elsewhere" / "sample" / "1").manifest.name == "sample"
