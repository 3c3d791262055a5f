"""What methods read of a forward pass, against transformers' own outputs."""

import pytest
import torch

from tests.export.checkpoints import MAKERS
from vitscope.export.checkpoint.families import family_of
from vitscope.export.methods import observe


@pytest.mark.parametrize("name", list(MAKERS))
def test_it_is_what_the_model_computes(name: str) -> None:
    model = MAKERS[name]()[0].eval()
    model.config.architectures = [type(model).__name__]
    family, side = family_of(model.config), model.config.image_size
    model.set_attn_implementation("eager")
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = observe(model, family, pixels, keep=lambda matrix: {"row": matrix[:, :, 0], "nothing": None})
        body = getattr(model, family.body)(pixels, output_attentions=True)
        torch.testing.assert_close(found.logits, model(pixels).logits)
    torch.testing.assert_close(found.tokens, body.last_hidden_state)
    assert len(found.attention) == 2
    for kept, matrix in zip(found.attention, body.attentions, strict=True):
        torch.testing.assert_close(kept["row"], matrix[:, :, 0])
        assert kept["nothing"] is None


def test_no_hook_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MAKERS["vit"]()[0].eval()
    model.config.architectures = [type(model).__name__]
    family = family_of(model.config)
    with pytest.raises(ZeroDivisionError):
        observe(model, family, torch.zeros(1, 3, 32, 32), keep=lambda _: {"x": torch.zeros(1 // 0)})
    assert not any(module._forward_hooks for module in model.modules())
