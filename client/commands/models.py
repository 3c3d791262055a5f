"""`vitscope models`: list the models of a server, or describe one."""

import argparse
import sys
from collections.abc import Iterable

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vitscope.client.commands.arguments import add_connection_options, connect, explain, whole
from vitscope.client.commands.output import Output
from vitscope.client.commands.streams import fail, json_text
from vitscope.client.engine import CertificateEntry, EngineInfo
from vitscope.client.errors import ClientError
from vitscope.client.model import Model, ModelSummary
from vitscope.client.pixels import PixelEntry
from vitscope.help import Help

USAGE = 2

_ANSWERS = {
    "softmax": "one class of these (softmax)",
    "sigmoid": "each label by itself, from 0.5 (sigmoid)",
    "none": "values without probabilities (no activation)",
}
_STATE_STYLES = {"ready": "green", "loading": "yellow", "draining": "yellow", "failed": "red"}


def main(argv: list[str] | None = None) -> int:
    """Return 0: printed; 2: a wrong option, no such model, or no server."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.name is None and arguments.version:
        parser.error("--version says which version of a model to describe; add its NAME")
    shown: RenderableType
    try:
        with connect(arguments) as client:
            if arguments.name is not None:
                model = client.get_model(arguments.name, arguments.version)
                shown = as_json(model.raw) if arguments.json else description(model)
            else:
                models = client.list_models()
                shown = json_lines(models) if arguments.json else listing(models)
    except ClientError as error:
        fail("models", explain(error, arguments.server))
        return USAGE
    Output().print(shown, soft_wrap=arguments.json)
    return 0


def listing(models: list[ModelSummary]) -> RenderableType:
    """Lay out a table with one row for each version of each model, and below it what there is to say of a state.

    Nothing is left out of a narrow terminal: a name takes several lines there.
    """
    if not models:
        return Text("the server has no models")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("model", overflow="fold")
    table.add_column("version", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("engine", no_wrap=True)
    for model in models:
        table.add_row(model.name, str(model.version), _word(model.state), model.engine)
    details = [
        Text.assemble(f"\n{model.name} v{model.version} ", _word(model.state), f": {model.state_detail}")
        for model in models
        if model.state_detail
    ]
    return Group(table, *details)


def description(model: Model) -> RenderableType:
    """Lay out all properties of one version."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    tokens, box, source = model.tokens, model.input, model.provenance
    mode = " ".join((box.resize_mode.replace("_", " "), *(["to"] if box.resize_to else [])))
    rows: list[tuple[str, RenderableType]] = [
        ("model", Text.assemble((model.name, "bold"), f" v{model.version}, ", _state(model))),
        ("family", f"{model.family}, {model.layers} layers × {model.heads} heads, width {model.width}"),
        ("labels", f"{len(model.labels)}: {_some(model.labels)}"),
        ("answers", _answers(model)),
        (
            "input",
            f"{box.width} × {box.height}, {mode} {' × '.join(map(str, box.resize_to))}, {box.interpolation}; "
            f"mean {_numbers(box.mean)}, std {_numbers(box.std)}",
        ),
        (
            "tokens",
            f"{tokens.grid_rows} × {tokens.grid_cols} patches of {tokens.patch_width} × {tokens.patch_height} px, "
            f"{tokens.cls_tokens} class, {tokens.distillation_tokens} distillation, {tokens.register_tokens} register; "
            f"head reads {tokens.pooling}; "
            + (
                f"attention maps are of {tokens.attention_from.replace('_', ' ')}"
                if tokens.attention_from
                else "no attention maps, since it attends within windows"
            ),
        ),
        ("maps", ", ".join(model.methods) or "exported without"),
        ("source", f"{source.source} (weights {source.weights_sha256[:12]})"),
    ]
    if model.engine is not None:
        rows += _engine(model.engine)
    rows += [
        ("certificate" if at == 0 else "", _certificate(entry, model.activation))
        for at, entry in enumerate(model.certificate)
    ]
    if model.decoding.decoding:
        rows.append(("pixels", f"{model.decoding.decoding}: {model.decoding.reason}"))
        rows += [("", _pixels(entry, model.activation)) for entry in model.decoding.certificate]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _answers(model: Model) -> str:
    answers = _ANSWERS.get(model.activation, model.activation)
    return answers if model.temperature == 1 else f"{answers}, calibrated: logits / {model.temperature:.4g}"


def _engine(engine: EngineInfo) -> list[tuple[str, RenderableType]]:
    costs = ", ".join(f"{batch}: {seconds * 1000:.1f} ms" for batch, seconds in engine.costs.items())
    return [
        (
            "engine",
            f"{engine.name}/{engine.precision} {engine.version} on {engine.device}, batches up to {engine.max_batch}",
        ),
        ("", engine.reason),
        ("batch cost", costs or "not measured"),
    ]


def _certificate(entry: CertificateEntry, activation: str) -> RenderableType:
    return Text.assemble(
        f"{entry.engine}/{entry.precision} ",
        ("passed", "green") if entry.passed else ("failed", "red"),
        f": {_agreement(entry.top1_agreement, entry.images, activation)}, "
        f"logits within {entry.max_logit_error:.2g}{_spread(entry)}, "
        f"attention cosine {entry.mean_attention_cosine:.4f} on average, {entry.min_attention_cosine:.4f} at the lowest"
        + (f", {entry.non_finite} NaN" if entry.non_finite else ""),
    )


def _pixels(entry: PixelEntry, activation: str) -> RenderableType:
    relative = f" (spread {entry.logit_spread:.2g})" if entry.logit_spread else ""
    copies = f" ({entry.enlarged:,} enlarged)" if entry.enlarged else ""
    return Text.assemble(
        f"{entry.decoding} ",
        ("passed", "green") if entry.passed else ("failed", "red"),
        f": {_agreement(entry.agreement, entry.images, activation)}{copies}, "
        f"logits within {entry.max_logit_error:.2g}{relative}, {entry.mean_logit_error:.2g} on average",
    )


def _agreement(share: float, images: int, activation: str) -> str:
    """Say on how many images two answers are the same, by what an answer is."""
    if activation == "none":
        return f"{images:,} images"
    return f"{share:.2%} same {'labels' if activation == 'sigmoid' else 'top class'} on {images:,} images"


def _spread(entry: CertificateEntry) -> str:
    probability = f", probabilities within {entry.max_probability_error:.2g}" if entry.max_probability_error else ""
    return (f" (spread {entry.logit_spread:.2g})" if entry.logit_spread else "") + probability


def _state(model: Model | ModelSummary) -> Text:
    detail = f" ({model.state_detail})" if model.state_detail else ""
    return Text(f"{model.state}{detail}", style=_STATE_STYLES.get(model.state, ""))


def _word(state: str) -> Text:
    return Text(state, style=_STATE_STYLES.get(state, ""))


def _some(labels: tuple[str, ...], shown: int = 12) -> str:
    more = f", … ({len(labels) - shown:,} more; --json has all)" if len(labels) > shown else ""
    return ", ".join(labels[:shown]) + more


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


def json_lines(models: list[ModelSummary]) -> str:
    return "\n".join(as_json(model.raw) for model in models)


def as_json(message: Message) -> str:
    """Return one line of JSON with every field, under its proto name."""
    fields = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json_text(fields)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope models",
        formatter_class=Help,
        description="List the models of a vitscope server, or describe one.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="model to describe (default: list all)")
    parser.add_argument(
        "--version", type=whole(1), default=0, metavar="N", help="version to describe (default: the latest)"
    )
    parser.add_argument("--json", action="store_true", help="print the messages as JSON, one a line")
    add_connection_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
