"""Linear probe: the backbone stays as it is, and its features are computed once. The head is found in seconds.

With few images this is hard to beat, and a good head first keeps training from distorting good features
(Kumar et al., arXiv:2202.10054).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitscope.finetune.head import heads
from vitscope.finetune.loss import cross_entropy
from vitscope.finetune.pixels import Images, Normaliser
from vitscope.finetune.predict import inputs_of, predict
from vitscope.finetune.score import Score

# Strengths of the penalty on the weights, strongest first: each starts from the result of the one before.
PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)
_ITERATIONS = 200

Track = Callable[[range], Iterable[int]]


@dataclass(frozen=True)
class Probe:
    """What was found: the score on validation, the loss in training, and the penalty that validation chose."""

    score: Score
    loss: float
    penalty: float


def fit_probe(
    model: Any,
    training: Images,
    validation: Images,
    normalise: Normaliser,
    weights: torch.Tensor | None,
    batch_size: int,
    track: Callable[[str], Track],
) -> Probe:
    """Give the model the linear head that is best on validation among penalties of different strengths.

    `track` gives, for a description, what wraps the numbers of the images, for a progress bar.
    """
    modules = heads(model)
    features = {}
    for name, images in (("training", training), ("validation", validation)):
        with inputs_of(modules) as collected:
            predict(model, images, normalise, batch_size, track(f"features of {name}"))
        features[name] = {head: torch.cat([part.flatten(1) for part in parts]) for head, parts in collected.items()}
    classes = model.config.num_labels
    labels, truth = torch.from_numpy(training.labels), torch.from_numpy(validation.labels)
    solutions = {head: list(_solutions(features["training"][head], labels, classes, weights)) for head in modules}
    best: tuple[Probe, int] | None = None
    for number, penalty in enumerate(PENALTIES):
        logits = {
            name: torch.stack([_linear(parts[head], *solutions[head][number]) for head in modules]).mean(0)
            for name, parts in features.items()
        }
        score = Score.of(logits["validation"].numpy(), validation.labels)
        loss = float(cross_entropy(logits["training"], labels))
        if best is None or score > best[0].score:
            best = Probe(score, loss, penalty), number
    assert best is not None and len(truth)
    with torch.no_grad():
        for head, module in modules.items():
            weight, bias = solutions[head][best[1]]
            module.weight.copy_(weight)
            if module.bias is not None:
                module.bias.copy_(bias)
    return best[0]


def _linear(features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return features @ weight.T + bias


def _solutions(
    features: torch.Tensor, labels: torch.Tensor, classes: int, weights: torch.Tensor | None
) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """Yield weight [C, D] and bias [C] for each penalty: multinomial logistic regression on standardised features."""
    mean, std = features.mean(0), features.std(0).clamp(min=1e-6)
    standard = (features - mean) / std
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    for penalty in PENALTIES:
        optimiser = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

        def closure(optimiser: Any = optimiser, penalty: float = penalty) -> torch.Tensor:
            optimiser.zero_grad()
            fit = cross_entropy(standard @ weight.T + bias, labels, weights=weights)
            loss: torch.Tensor = fit + penalty * weight.square().sum() / (2 * np.sqrt(features.shape[1]))
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        scaled = weight.detach() / std
        yield scaled, bias.detach() - scaled @ mean
