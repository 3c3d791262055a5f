"""The schema of manifest.json: outputs, explanation methods, and manifests of earlier versions."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.bundle.sample import MANIFEST, write_sample
from vitscope.bundle import CLASSIFY, BundleError, Manifest, Output, open_bundle
from vitscope.bundle.reader import CHECKSUM, checksum_line

LOGITS, ATTENTION, PREFIX = MANIFEST.graphs[CLASSIFY].outputs
BRIGHTNESS = Output(name="brightness", shape=("N",))


def manifest(*outputs: Output, **changes: Any) -> Manifest:
    """Return the sample's manifest with these outputs; without `methods` unless they are given."""
    graph = MANIFEST.graphs[CLASSIFY].model_copy(update={"outputs": outputs})
    fields = {**MANIFEST.model_dump(exclude={"methods"}), "graphs": {CLASSIFY: graph.model_dump()}, **changes}
    return Manifest.model_validate(fields)


def test_a_manifest_of_an_earlier_version_is_read() -> None:
    """It was written by the last version without `methods`, for examples/fashion."""
    text = (Path(__file__).parent / "written_before" / "manifest.json").read_text()
    assert "methods" not in text
    read = Manifest.model_validate_json(text)
    assert read.methods == ("attention",) and read.has_attention and read.schema_version == 1
    assert Manifest.model_validate_json(read.model_dump_json()) == read


def test_without_the_field_the_outputs_say_whether_there_is_attention() -> None:
    assert manifest(LOGITS, ATTENTION, PREFIX).methods == ("attention",)
    assert manifest(LOGITS).methods == () and not manifest(LOGITS).has_attention


def test_outputs_of_other_methods_have_any_shape_with_a_batch() -> None:
    found = manifest(LOGITS, BRIGHTNESS, Output(name="map_2", shape=("N", 7, 7)), methods=("brightness",))
    assert found.methods == ("brightness",) and not found.has_attention
    with pytest.raises(ValidationError, match="says brightness is"):
        manifest(LOGITS, Output(name="brightness", shape=(5,)))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (Output(name="logits", shape=("N", 3)), r"\('N', 2\)"),
        (Output(name="attention", shape=("N", 3, 48)), r"\('N', 3, 49\)"),
        (Output(name="attention_prefix", shape=("N", 3, 2)), r"\('N', 3, 1\)"),
    ],
)
def test_shapes_of_logits_and_attention_are_strict(output: Output, expected: str) -> None:
    others = [known for known in (LOGITS, ATTENTION, PREFIX) if known.name != output.name]
    with pytest.raises(ValidationError, match=f"says {output.name} is .* the other fields make it {expected}"):
        manifest(output, *others)


@pytest.mark.parametrize("name", ["Logits", "9lives", "", "a-b", "a b", "_a", "logits\n"])
def test_names_are_lower_case_identifiers(name: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Output(name=name, shape=("N",))
    with pytest.raises(ValidationError, match="should match pattern"):
        manifest(LOGITS, methods=(name,))


def test_attention_is_listed_if_and_only_if_the_graph_has_it() -> None:
    with pytest.raises(ValidationError, match=r"methods are \['attention'\], but graph 'classify' lacks the output"):
        manifest(LOGITS, methods=("attention",))
    with pytest.raises(ValidationError, match=r"methods are \[\], but graph 'classify' has the output"):
        manifest(LOGITS, ATTENTION, PREFIX, methods=())


def test_a_wrong_field_is_the_only_one_that_is_named(tmp_path: Path) -> None:
    """The default of `methods` cannot be computed then, which is no error of the manifest."""
    bundle = write_sample(tmp_path)
    text = MANIFEST.model_dump_json(exclude={"methods"}).replace('"layers":2', '"layers":0')
    (bundle / "manifest.json").write_text(text)
    (bundle / CHECKSUM).write_bytes(checksum_line(bundle / "manifest.json"))
    with pytest.raises(BundleError) as error:
        open_bundle(bundle)
    assert str(error.value) == f"{bundle / 'manifest.json'}: layers: Input should be greater than 0"


def test_a_temperature_of_1_is_not_written_so_that_an_older_server_reads_the_bundle() -> None:
    assert "temperature" not in MANIFEST.model_dump_json() and MANIFEST.temperature == 1
    calibrated = MANIFEST.model_copy(update={"temperature": 2.5})
    assert Manifest.model_validate_json(calibrated.model_dump_json()).temperature == 2.5


@pytest.mark.parametrize("value", ["0", "-2", "NaN", "Infinity", '"2"', '"NaN"', "null", "true", "1e-9"])
def test_a_wrong_temperature_is_named(tmp_path: Path, value: str) -> None:
    bundle = write_sample(tmp_path)
    text = MANIFEST.model_dump_json().replace('"activation"', f'"temperature":{value},"activation"')
    (bundle / "manifest.json").write_text(text)
    (bundle / CHECKSUM).write_bytes(checksum_line(bundle / "manifest.json"))
    with pytest.raises(BundleError, match=r"manifest\.json: temperature: Input should be "):
        open_bundle(bundle)


def test_plain_values_have_no_temperature() -> None:
    with pytest.raises(ValidationError, match="temperature is 2, but with activation none there are no probabilities"):
        manifest(LOGITS, activation="none", temperature=2.0)
