"""A model's logits for images, as it will be served: in float32, nothing random."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vitscope.finetune.pixels import Images, Normaliser


@torch.inference_mode()
def predict(
    model: Any, images: Images, normalise: Normaliser, batch_size: int, track: Callable[[range], Iterable[int]] = iter
) -> np.ndarray:
    """Return float32 [N, C]. `track` wraps the numbers at which batches begin, for a progress bar."""
    device = next(model.parameters()).device
    model.eval()
    found = []
    for start in track(range(0, len(images), batch_size)):
        numbers = range(start, min(start + batch_size, len(images)))
        pixels = normalise(np.stack([images[number] for number in numbers]))
        found.append(model(pixel_values=pixels.to(device)).logits.float().cpu().numpy())
    return np.concatenate(found)


@contextmanager
def inputs_of(modules: dict[str, torch.nn.Linear]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Collect what each module is given, float32 [N, D] for each batch, while the context lasts."""
    collected: dict[str, list[torch.Tensor]] = {name: [] for name in modules}

    def hook(name: str) -> Any:
        return lambda _, inputs: collected[name].append(inputs[0].detach().float().cpu())

    handles = [module.register_forward_pre_hook(hook(name)) for name, module in modules.items()]
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()
