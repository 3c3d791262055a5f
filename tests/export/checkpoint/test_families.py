"""The parts of each model family, and refusal of other architectures."""

from typing import Any

import pytest
import transformers

from tests.export.checkpoints import MAKERS
from vitscope.export.checkpoint.families import FAMILIES, family_of
from vitscope.export.errors import ExportError


@pytest.mark.parametrize("name", list(MAKERS))
def test_parts_are_where_the_family_says(name: str) -> None:
    model, _ = MAKERS[name]()
    model.config.architectures = [type(model).__name__]
    family = family_of(model.config)
    assert family.name == name
    assert len(family.attentions(model)) == 2
    embeddings, width = family.embeddings(model), model.config.hidden_size
    patches = embeddings.patch_embeddings.num_patches
    assert embeddings.position_embeddings.shape == (1, family.positioned_prefix() + patches, width)
    assert family.prefix(model) == family.positioned_prefix() + model.config.to_dict().get("num_register_tokens", 0)
    pooled = width * (2 if family.pooling == "cls+mean" else 1)
    assert all(head.weight.shape == (5, pooled) for head in family.classifiers(model).values())
    assert family.norm(model).weight.shape == (width,)


@pytest.mark.parametrize(
    ("config", "architecture"),
    [
        (transformers.SwinConfig(), "SwinForImageClassification"),
        (transformers.ResNetConfig(), "ResNetForImageClassification"),
        (transformers.SiglipConfig(), "SiglipForImageClassification"),
        (transformers.ViTConfig(), "ViTModel"),
        (transformers.ViTConfig(), None),
    ],
)
def test_other_architectures_are_refused_by_name(config: Any, architecture: str | None) -> None:
    config.architectures = [architecture] if architecture else None
    with pytest.raises(ExportError) as error:
        family_of(config)
    assert (architecture or "none") in str(error.value)
    assert all(supported in str(error.value) for supported in FAMILIES)


@pytest.mark.parametrize(("field", "value"), [("num_channels", 1), ("num_labels", 0)])
def test_heads_and_channels_that_cannot_be_served(field: str, value: int) -> None:
    config = transformers.ViTConfig(**{field: value}, architectures=["ViTForImageClassification"])
    with pytest.raises(ExportError, match=rf"{field} is {value}"):
        family_of(config)
