"""What methods read of a forward pass, against transformers' own outputs."""

import pytest
import torch

from tests.export.checkpoints import MAKERS, made
from vitscope.export.methods import Kept, Subject, observe


@pytest.mark.parametrize("name", list(MAKERS))
def test_it_is_what_the_model_computes(name: str) -> None:
    model, family = made(name)
    size = family.native_size(model)
    pixels = torch.rand(2, 3, size.height, size.width, generator=torch.Generator().manual_seed(0))
    kept: list[Kept] = []
    with torch.inference_mode():
        with family.watch(model, lambda matrix: kept.append({"row": matrix[:, :, 0]})):
            found = observe(Subject(model, family, family.geometry(model, size)), pixels, kept)
        model.set_attn_implementation("eager")
        own = model(pixels, output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(found.logits, own.logits)
    assert len(found.attention) == len(own.attentions) == family.sizes(model).layers
    for of_layer, matrix in zip(found.attention, own.attentions, strict=True):
        row = of_layer["row"]
        assert row is not None
        torch.testing.assert_close(row, matrix[:, :, 0])


def test_no_hook_is_left() -> None:
    model, family = made("vit")
    geometry = family.geometry(model, family.native_size(model))
    before = model.config._attn_implementation
    with pytest.raises(ZeroDivisionError), family.watch(model, lambda _: torch.zeros(1 // 0)):
        observe(Subject(model, family, geometry), torch.zeros(1, 3, 32, 32), [])
    assert not any(module._forward_hooks for module in model.modules())
    assert model.config._attn_implementation == before
