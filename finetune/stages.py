"""The stages of a run: a probe, training with transformers' Trainer, or both. Finished ones are not repeated."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from vitscope.dataset import TRAIN, VALIDATION
from vitscope.evaluate import Epoch
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.head import heads
from vitscope.finetune.lora import merged, with_adapters
from vitscope.finetune.output import Output, replace_text
from vitscope.finetune.prepare import Prepared
from vitscope.finetune.probe import fit_probe
from vitscope.finetune.progress import Display, Epochs
from vitscope.finetune.score import Score
from vitscope.finetune.trainer import Job, train

_BATCH = 64


def run_stages(prepared: Prepared, output: Output, display: Display) -> list[Epoch]:
    """Do all stages, keep the best weights in `output`, and return the course of the run."""
    history: list[Epoch] = []
    for stage in prepared.stages:
        best = output.best()
        if stage != "probe" and best and best["stage"] == "probe" and best["accuracy"] == 1:
            display.say(f"{stage}: left out, the probe has all validation images right")
            continue
        done = output.work / f"{stage}.json"
        if not done.exists():
            work = _probe if stage == "probe" else _train
            replace_text(done, json.dumps(work(stage, prepared, output, display)))
        elif stage == "probe":
            _load_head(prepared, output.work)
        history += [Epoch(**epoch) for epoch in json.loads(done.read_text())]
    return history


def _probe(stage: str, prepared: Prepared, output: Output, display: Display) -> list[dict[str, Any]]:
    display.say("probe: a new head on frozen features")
    model, images = prepared.model, prepared.images
    found = fit_probe(
        model, images[TRAIN], images[VALIDATION], prepared.normalise, prepared.weights, _BATCH, display.track
    )
    display.say(f"  validation {found.score.accuracy:.2%}, loss {found.score.loss:.3f} (penalty {found.penalty:g})")
    state = {
        f"{name}.{part}": value for name, head in heads(model).items() for part, value in head.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in state.items()}, output.work / "probe.safetensors")
    _keep(output, prepared, model, found.score, stage, 1)
    return [_epoch(stage, 1, found.loss, found.score.loss, found.score.accuracy)]


def _load_head(prepared: Prepared, folder: Path) -> None:
    stored = load_file(folder / "probe.safetensors")
    for name, head in heads(prepared.model).items():
        head.load_state_dict({part: stored[f"{name}.{part}"] for part in head.state_dict()})


def _train(stage: str, prepared: Prepared, output: Output, display: Display) -> list[dict[str, Any]]:
    head = tuple(heads(prepared.model))
    model = with_adapters(prepared.model, prepared.recipe.lora_rank) if stage == "lora" else prepared.model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    recipe = prepared.recipe
    display.say(
        f"{stage}: up to {recipe.epochs} epochs, {trained:,} of {prepared.parameters:,} parameters, "
        f"batches of {recipe.batch_size * recipe.accumulate}, learning rate {recipe.learning_rate:g}"
    )

    def on_score(weights: Any, score: Score, epoch: int) -> None:
        if not score.loss < float("inf"):
            raise FinetuneError(
                f"training diverged in epoch {epoch}: the validation loss is no number; use a --learning-rate below "
                f"{recipe.learning_rate:g}"
            )
        _keep(output, prepared, weights, score, stage, epoch)

    lines = Epochs(display, stage, len(prepared.images[TRAIN]))
    job = Job(
        model=model,
        head=head,
        recipe=recipe,
        training=prepared.images[TRAIN],
        validation=prepared.images[VALIDATION],
        normalise=prepared.normalise,
        weights=prepared.weights,
        place=prepared.place,
        seed=prepared.options["seed"] or 0,
        workers=prepared.options["workers"] or 0,
        folder=output.work / stage,
        on_score=on_score,
    )
    try:
        log = train(job, lines)
    finally:
        lines.close()
    epochs = _epochs(stage, log)
    if len(epochs) < recipe.epochs:
        display.say(f"  ended early: no better validation result in {recipe.patience} epochs")
    return epochs


def _keep(output: Output, prepared: Prepared, model: Any, score: Score, stage: str, epoch: int) -> None:
    """Keep weights that are better on validation than all before, of this stage and of those before it."""
    best = output.best()
    if best is None or score > Score(best["accuracy"], best["loss"]):
        facts = {"stage": stage, "epoch": epoch, "accuracy": score.accuracy, "loss": score.loss}
        output.keep_best(merged(model), prepared.processor, facts)


def _epochs(stage: str, log: list[dict[str, float]]) -> list[dict[str, Any]]:
    losses = {round(entry["epoch"]): entry for entry in log if "loss" in entry}
    measured = {round(entry["epoch"]): entry for entry in log if "eval_loss" in entry}
    return [
        _epoch(stage, number, losses[number]["loss"], entry["eval_loss"], entry["eval_accuracy"],
               losses[number]["learning_rate"])
        for number, entry in sorted(measured.items())
    ]  # fmt: skip


def _epoch(
    stage: str, number: int, loss: float, validation_loss: float, accuracy: float, rate: float | None = None
) -> dict[str, Any]:
    return {
        "stage": stage,
        "number": number,
        "train_loss": loss,
        "validation_loss": validation_loss,
        "validation_accuracy": accuracy,
        "learning_rate": rate,
    }
