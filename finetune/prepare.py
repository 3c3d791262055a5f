"""Everything that is decided and checked before training begins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vitscope.dataset import TEST, TRAIN, VALIDATION, Dataset, open_dataset
from vitscope.finetune.advice import small_data
from vitscope.finetune.defaults import default_recipe
from vitscope.finetune.device import Place, choose_place
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.layers import blocks
from vitscope.finetune.loss import class_weights, is_uneven
from vitscope.finetune.model import from_pretrained, from_scratch, quiet, width_of
from vitscope.finetune.pixels import Images, Normaliser
from vitscope.finetune.progress import Display
from vitscope.finetune.recipe import Recipe
from vitscope.finetune.resize import resized
from vitscope.finetune.settings import mode_of, recipe_of, scratch_of
from vitscope.finetune.space import check_space
from vitscope.finetune.stochastic_depth import add_stochastic_depth
from vitscope.finetune.threads import Plan, operations, plan_threads

# In mode auto, larger models are adapted, smaller ones trained as a whole.
_FULL_UP_TO = 50_000_000


@dataclass(frozen=True)
class Prepared:
    """A run that can begin. `stages` are done one after the other; images are by split."""

    options: dict[str, Any]
    data: Dataset
    images: dict[str, Images]
    model: Any
    processor: Any
    normalise: Normaliser
    recipe: Recipe
    stages: tuple[str, ...]
    weights: torch.Tensor | None
    place: Place
    threads: Plan
    space: int

    @property
    def parameters(self) -> int:
        """Return how many numbers the model learns."""
        return sum(parameter.numel() for parameter in self.model.parameters())


def prepare(source: str, out: Path, options: dict[str, Any], display: Display, threads: int | None) -> Prepared:
    """Check data and model; load them. threads: of a run that goes on, which needs as many for an equal result.

    Raises FinetuneError or DatasetError.
    """
    mode, shape = mode_of(options), scratch_of(options)
    place = choose_place(options["device"] or "auto", options["precision"] or "auto")
    recipe_of(options, Recipe())
    if not options["base"]:
        from_scratch(shape, ["a", "b"])  # a shape that is wrong is found before thousands of images are read
    seed = options["seed"] or 0
    data = open_dataset(
        source,
        seed=seed,
        skip_unreadable=options["skip_unreadable"],
        skip_duplicates=options["skip_duplicates"],
        track=display.track("checking images"),
    )
    if VALIDATION not in data.splits:
        raise FinetuneError(f"{source}: no class has 2 images, so that there is none to validate on")
    _describe(data, display)
    if advice := small_data(len(data.splits[TRAIN]), options["base"]):
        display.say(advice)
    quiet()
    torch.manual_seed(seed)  # before the model, whose random weights depend on it
    if options["base"]:
        model, processor = from_pretrained(options["base"], data.labels)
        if options["image_size"] or options["patch_size"]:
            model, processor = resized(model, processor, options["image_size"], options["patch_size"])
    else:
        model, processor = from_scratch(shape, data.labels)
    stages = _stages(mode, model)
    images = {name: Images(split, processor) for name, split in data.splits.items()}
    encoder = blocks(model)
    side = images[TRAIN][0].shape[0]
    default = default_recipe(
        stages[-1] if stages[-1] != "probe" else "full", len(images[TRAIN]), width_of(model), len(encoder), side
    )
    recipe = recipe_of(options, default)
    model.to(place.device)
    if place.device == "cpu":
        model.set_attn_implementation("eager")  # short sequences train 1.7-2.5x faster than with sdpa (measured)
    normalise = Normaliser(processor)
    step = operations(model, normalise(images[TRAIN][0][None]).to(place.device)) * recipe.batch_size
    plan = plan_threads(step, threads, "as before") if threads else plan_threads(step, options["threads"] or 0)
    torch.set_num_threads(plan.threads)
    if recipe.drop_path:
        add_stochastic_depth(encoder, recipe.drop_path)
    counts = data.counts(TRAIN)
    uneven = options["class_weights"] if options["class_weights"] is not None else is_uneven(counts)
    weights = class_weights(counts) if uneven else None
    space = check_space(model, out, stages[-1])
    return Prepared(
        options, data, images, model, processor, normalise, recipe, stages, weights, place, plan, space
    )  # fmt: skip


def _stages(mode: str, model: Any) -> tuple[str, ...]:
    if mode != "auto":
        return (mode,)
    size = sum(parameter.numel() for parameter in model.parameters())
    return ("probe", "full" if size <= _FULL_UP_TO else "lora")


def _describe(data: Dataset, display: Display) -> None:
    counts = [f"{len(data.splits[name]):,} {name}" for name in (TRAIN, VALIDATION, TEST) if name in data.splits]
    display.say(f"{len(data.labels)} classes; images: {', '.join(counts)}")
    for note in data.notes:
        display.say(f"  {note}")
