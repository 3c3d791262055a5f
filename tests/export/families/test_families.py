"""The parts of each model family, and refusal of other architectures."""

from typing import Any

import pytest
import torch
import transformers

from tests.export.checkpoints import MAKERS, made
from vitscope.export.errors import ExportError
from vitscope.export.families import FAMILIES, family_of


@pytest.mark.parametrize("name", list(MAKERS))
def test_parts_are_where_the_family_says(name: str) -> None:
    model, family = made(name)
    assert family.name == name
    sizes, native = family.sizes(model), family.native_size(model)
    tokens = family.geometry(model, native)
    with torch.inference_mode():
        hidden = model(torch.zeros(1, 3, native.height, native.width), output_hidden_states=True).hidden_states
    assert hidden[-1].shape == (1, tokens.prefix + tokens.patches, sizes.width)


@pytest.mark.parametrize("architecture", ["ResNetForImageClassification", "ViTModel", None])
def test_other_architectures_are_refused_by_name(architecture: str | None) -> None:
    config = transformers.ViTConfig(architectures=[architecture] if architecture else None)
    with pytest.raises(ExportError) as error:
        family_of(config)
    assert (architecture or "none") in str(error.value)
    assert all(family.title in str(error.value) for family in FAMILIES.values())


@pytest.mark.parametrize(("field", "value"), [("num_channels", 1), ("num_labels", 0)])
def test_heads_and_channels_that_cannot_be_served(field: str, value: int) -> None:
    config: Any = transformers.ViTConfig(**{field: value}, architectures=["ViTForImageClassification"])
    with pytest.raises(ExportError, match=rf"{field} is {value}"):
        family_of(config)
