"""transformers' own Trainer, with this project's batches, loss, average of weights and choice of the best epoch."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from vitscope.finetune.batches import Collator, Order, TrainingImages
from vitscope.finetune.checkpoints import keep_only, last_complete, load_weights, mark_complete, save_weights
from vitscope.finetune.device import BFLOAT16, FLOAT16, Place
from vitscope.finetune.ema import Ema
from vitscope.finetune.layers import parameter_groups
from vitscope.finetune.loss import cross_entropy
from vitscope.finetune.pixels import Images, Normaliser
from vitscope.finetune.predict import predict
from vitscope.finetune.recipe import Recipe
from vitscope.finetune.score import Score

_METRIC = "score"


@dataclass(frozen=True)
class Job:
    """What one Trainer is given. on_score gets the weights that were measured, their score and the epoch."""

    model: Any
    head: tuple[str, ...]
    recipe: Recipe
    training: Images
    validation: Images
    normalise: Normaliser
    weights: torch.Tensor | None
    place: Place
    seed: int
    workers: int
    folder: Path
    on_score: Callable[[Any, Score, int], None]


def train(job: Job, callback: TrainerCallback) -> list[dict[str, float]]:
    """Train until the last epoch, or until validation has not got better for a while; return the Trainer's log.

    Goes on from the last complete checkpoint in `job.folder`, if there is one.
    """
    trainer = _Trainer(job)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Rounds(trainer))
    trainer.add_callback(callback)
    last = last_complete(job.folder)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    log: list[dict[str, float]] = trainer.state.log_history
    return log


class _Trainer(Trainer):  # type: ignore[misc]
    """Loss, order and measurement as described in `Job`."""

    # compute_loss returns the mean of one batch.
    loss_is_scaled_for_ga = False

    def __init__(self, job: Job) -> None:
        self.job = job
        recipe = job.recipe
        self.images = TrainingImages(job.training, recipe, job.seed)
        steps = _steps(len(self.images), recipe)
        super().__init__(
            model=job.model,
            args=_arguments(job, steps),
            data_collator=Collator(job.normalise, job.model.config.num_labels, recipe),
            train_dataset=self.images,
            eval_dataset=job.validation,
            callbacks=[EarlyStoppingCallback(recipe.patience)],
        )
        groups = parameter_groups(self.model, job.head, recipe.learning_rate, recipe.weight_decay, recipe.layer_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
        self.ema = Ema(self.model, recipe.ema) if recipe.ema else None

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return Order(self.images)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        outputs = model(pixel_values=inputs["pixel_values"])
        loss = cross_entropy(outputs.logits, inputs["labels"], self.job.recipe.label_smoothing, self.job.weights)
        return (loss, outputs) if return_outputs else loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        save_weights(self.model, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_weights(self.model, Path(resume_from_checkpoint))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure on the validation images, in float32."""
        with self.ema.applied() if self.ema else nullcontext():
            logits = predict(self.model, self.job.validation, self.job.normalise, self.args.per_device_eval_batch_size)
            score = Score.of(logits, self.job.validation.labels)
            self.job.on_score(self.model, score, round(self.state.epoch or 0))
        metrics = {"eval_accuracy": score.accuracy, "eval_loss": score.loss, f"eval_{_METRIC}": score.rank}
        self.log(dict(metrics))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class _Rounds(TrainerCallback):  # type: ignore[misc]
    """Epochs that images know the number of, the average of the weights, and checkpoints that are whole."""

    def __init__(self, trainer: _Trainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._trainer.ema and (last := last_complete(Path(args.output_dir))):
            self._trainer.ema.load(last)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.images.epoch = round(state.epoch or 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._trainer.ema:
            self._trainer.ema.update()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self._trainer.ema:
            self._trainer.ema.save(folder)
        mark_complete(folder)
        keep_only(folder)


def _steps(images: int, recipe: Recipe) -> int:
    batches = -(-images // recipe.batch_size)
    return -(-batches // recipe.accumulate) * recipe.epochs


def _arguments(job: Job, steps: int) -> TrainingArguments:
    recipe, place = job.recipe, job.place
    return TrainingArguments(
        output_dir=str(job.folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=max(recipe.batch_size, 64),
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(steps * recipe.warmup),
        max_grad_norm=1.0,
        bf16=place.precision == BFLOAT16,
        fp16=place.precision == FLOAT16,
        use_cpu=place.device == "cpu",
        seed=job.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        metric_for_best_model=_METRIC,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        dataloader_num_workers=job.workers,
        dataloader_pin_memory=place.device == "cuda",
        disable_tqdm=True,
        report_to="none",
        log_level="error",
    )
