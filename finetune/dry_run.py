"""`--dry-run`: everything is checked and shown, nothing is trained."""

from pathlib import Path

from vitscope.dataset import TEST, TRAIN, VALIDATION
from vitscope.finetune.contact_sheet import contact_sheet
from vitscope.finetune.estimate import Estimate, estimate, seconds_text
from vitscope.finetune.lora import with_adapters
from vitscope.finetune.prepare import Prepared
from vitscope.finetune.progress import Display
from vitscope.tables import text_table


def dry_run(prepared: Prepared, out: Path, display: Display) -> None:
    """Show counts, model, settings, time and memory; write the contact sheet beside the result folder."""
    _show_counts(prepared, display)
    recipe, last = prepared.recipe, prepared.stages[-1]
    sheet = out.with_name(f"{out.name}-dry-run.png")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    seed = prepared.options["seed"] or 0
    contact_sheet(prepared.images[TRAIN], prepared.data.labels, recipe, seed).save(sheet)
    model = with_adapters(prepared.model, recipe.lora_rank) if last == "lora" else prepared.model
    found = estimate(model, prepared.images[TRAIN], prepared.normalise, recipe, prepared.place, train=last != "probe")
    display.say(
        f"model: {type(prepared.model).__name__}, {prepared.parameters:,} parameters; {' then '.join(prepared.stages)}"
    )
    if last != "probe":
        display.say(
            f"recipe: up to {recipe.epochs} epochs, batches of {recipe.batch_size * recipe.accumulate}, "
            f"learning rate {recipe.learning_rate:g}"
        )
    display.say(f"augmented images: {sheet}")
    display.say(
        f"estimate: up to {seconds_text(_seconds(prepared, found))}, {found.memory / 1e9:.1f} GB of "
        f"{'GPU ' if prepared.place.device == 'cuda' else ''}memory, up to {prepared.space / 1e6:,.0f} MB of disk"
    )
    display.say("dry run: nothing was trained")


def _show_counts(prepared: Prepared, display: Display) -> None:
    names = [name for name in (TRAIN, VALIDATION, TEST) if name in prepared.data.splits]
    counts = [prepared.data.counts(name) for name in names]
    rows = [[label, *(f"{count[index]:,}" for count in counts)] for index, label in enumerate(prepared.data.labels)]
    display.say(text_table(["class", *names], rows, display.console.width))


def _seconds(prepared: Prepared, found: Estimate) -> float:
    training, validation = (len(prepared.images[name]) for name in (TRAIN, VALIDATION))
    seconds = 0.0
    for stage in prepared.stages:
        if stage == "probe":
            seconds += (training + validation) * found.image
        else:
            steps = -(-training // prepared.recipe.batch_size)
            seconds += prepared.recipe.epochs * (steps * found.step + validation * found.image)
    return seconds
