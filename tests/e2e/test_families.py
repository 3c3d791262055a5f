"""Models without a class token, from checkpoint to answer: what the head pools is the default map."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Once
from tests.export.families.exported import CERTIFIED, exported
from tests.server.answer.serving import Serving
from vitscope.bundle import Bundle
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.api.models import to_model
from vitscope.server.errors import Outcome
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rendering import RenderingSpec


@pytest.fixture(scope="module")
def bundles(once: Once, calibration: Path) -> dict[str, Bundle]:
    return {name: exported(name, once, calibration)[1] for name in CERTIFIED}


@pytest.fixture
async def serving(bundles: dict[str, Bundle], tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(tmp_path / "cache", engine="onnxruntime")
    for bundle in bundles.values():
        await serving.load(bundle.path)
    yield serving
    await serving.close()


def asking(photo: bytes, model: str, options: MapOptions) -> Ask:
    return Ask(EncodedImage(photo), len(photo), model, maps=options)


async def test_the_mean_over_patches_is_what_attention_is_of(serving: Serving, photo: bytes) -> None:
    model = to_model(serving.repository.ready("siglip", 1))
    assert (list(model.methods), model.tokens.attention_from) == (["attention", "cam", "rollout"], "mean_of_patches")
    found = (await serving.ask(asking(photo, "siglip", MapOptions()))).unwrap().classification
    (one,) = found.maps
    assert (one.map.method, one.map.about, one.map.prefix.cls) == ("attention", None, 0)
    assert one.map.sum == pytest.approx(1, abs=1e-5)
    layers = await serving.ask(asking(photo, "siglip", MapOptions(layers=(0,))))
    assert "layers: [0]; accepted: 1; this model has only its last layer" in str(layers.error)


@pytest.mark.parametrize(("name", "method"), [("siglip", "cam"), ("hiera", "cam"), ("hiera", "")])
async def test_a_class_activation_map_adds_up_to_the_logit(
    name: str, method: str, serving: Serving, photo: bytes
) -> None:
    options = MapOptions(method, rendering=RenderingSpec())
    found = (await serving.ask(asking(photo, name, options))).unwrap().classification
    (one,) = found.maps
    assert one.map.method == "cam" and one.picture is not None
    assert one.map.about is not None and one.map.about.index == found.classes[0].index
    assert one.map.sum + one.map.about.rest == pytest.approx(found.classes[0].logit, abs=1e-4)


async def test_attention_within_windows_is_refused_with_the_alternative(serving: Serving, photo: bytes) -> None:
    model = to_model(serving.repository.ready("hiera", 1))
    assert (list(model.methods), model.has_attention, model.tokens.attention_from) == (["cam"], False, "")
    answer = await serving.ask(asking(photo, "hiera", MapOptions("attention")))
    assert answer.outcome is Outcome.INVALID
    assert "attends within windows of patches" in str(answer.error) and "one of: cam" in str(answer.error)


def test_the_certificate_covers_the_map(bundles: dict[str, Bundle]) -> None:
    for bundle in bundles.values():
        entry = bundle.certificate.entry("onnxruntime", "f32")
        assert entry is not None and entry.passed and entry.cosines["cam"].lowest > 0.9999
        assert ("attention" in entry.cosines) == bundle.manifest.has_attention
