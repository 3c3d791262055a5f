"""The average of the weights over the last steps, which is often better than the weights of any one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FILE = "ema.safetensors"


class Ema:
    """Exponential moving average of the trainable parameters of a model.

    In the first steps the decay is lower, so that the random weights of the start are soon forgotten.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._live = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._average = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after one step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for name, parameter in self._live.items():
            self._average[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights for a while."""
        live = {name: parameter.detach().clone() for name, parameter in self._live.items()}
        self._copy(self._average)
        try:
            yield
        finally:
            self._copy(live)

    def save(self, folder: Path) -> None:
        """Write the average beside a checkpoint of the Trainer."""
        steps = torch.tensor(self._steps)
        save_file({**{k: v.contiguous() for k, v in self._average.items()}, "steps": steps}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        stored = load_file(folder / FILE)
        self._steps = int(stored.pop("steps"))
        for name, value in stored.items():
            self._average[name].copy_(value)

    @torch.no_grad()
    def _copy(self, values: dict[str, torch.Tensor]) -> None:
        for name, parameter in self._live.items():
            parameter.copy_(values[name])
