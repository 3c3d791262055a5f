"""Options that say why which class is asked for, and the ledger of the answer in text."""

import argparse
import math
import re
from collections.abc import Iterator

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vitscope.client.classes import OneClass
from vitscope.client.commands.arguments import whole
from vitscope.client.commands.streams import printable
from vitscope.client.evidence import Evidence, MapsDecision, When
from vitscope.client.fields import enum_names
from vitscope.client.request import Options
from vitscope.v1 import maps_pb2

MOST_CLASSES = 10  # as in maps.proto

_OPTIONS = {"explained": "--class", "top_classes": "--top-classes", "versus": "--versus"}
_OPTIONS |= {"versus_rank": "--versus-rank", "mode": "--mode"}
_UNITS = {"log_probability": "log-probability", "logit": "logit"}
_CONDITIONS = enum_names(maps_pb2.MapCondition, "MAP_CONDITION")[1:]


def add_class_options(parser: argparse.ArgumentParser) -> None:
    """Add --class, --versus and their like."""
    group = parser.add_argument_group("why this class, and why not that one, with --method evidence")
    group.add_argument(
        "--class",
        dest="explained",
        type=_class,
        action="append",
        metavar="LABEL",
        help="class to explain, by label or index; =LABEL for a label that is a number; may be repeated (default: the "
        "most probable one)",
    )
    group.add_argument(
        "--top-classes",
        type=whole(1, MOST_CLASSES),
        metavar="N",
        help=f"explain the N most probable classes, up to {MOST_CLASSES}",
    )
    group.add_argument(
        "--versus", type=_class, metavar="LABEL", help="explain why a class rather than this one, the exact difference"
    )
    group.add_argument(
        "--versus-rank", type=whole(1), metavar="N", help="the same, by rank in the answer: 2 is the runner-up"
    )
    group.add_argument(
        "--mode",
        choices=enum_names(maps_pb2.EvidenceMode, "EVIDENCE_MODE"),
        help="how shares are computed; only those of the default add up (default: integrated)",
    )


def add_when_option(group: argparse._ActionsContainer) -> None:
    """Add --when."""
    group.add_argument(
        "--when",
        type=_when,
        metavar="CONDITION",
        help="make maps only where the answer is in doubt: confidence-below=X or margin-below=X, X up to 1",
    )


def check_class_options(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Exit with a message where options do not go together."""
    given = [flag for name, flag in _OPTIONS.items() if getattr(arguments, name) is not None]
    if given and arguments.method != "evidence":
        parser.error(f"{', '.join(given)}: which class is explained; add --method evidence")
    for one, other in (("explained", "top_classes"), ("versus", "versus_rank")):
        if getattr(arguments, one) is not None and getattr(arguments, other) is not None:
            parser.error(f"{_OPTIONS[other]}: set beside {_OPTIONS[one]}; accepted: one of them")


def class_options(arguments: argparse.Namespace) -> Options:
    """Return the options of a request; none that are not given."""
    options = Options()
    if arguments.explained is not None:
        options["classes"] = arguments.explained
    if arguments.top_classes is not None:
        options["top_classes"] = arguments.top_classes
    if arguments.versus is not None:
        options["versus"] = arguments.versus
    if arguments.versus_rank is not None:
        options["versus_rank"] = arguments.versus_rank
    if arguments.mode is not None:
        options["mode"] = arguments.mode
    return options


def question(evidence: Evidence) -> str:
    """Return what is explained: "why sneaker rather than ankle-boot"."""
    against = f" rather than {evidence.versus.label}" if evidence.versus else ""
    return printable(f"why {evidence.explained.label}{against}")


def unit(evidence: Evidence) -> str:
    """Return the unit of the values: "log-probability", "log-odds" in a contrast of two, or "logit"."""
    if evidence.versus and evidence.target == "log_probability":
        return "log-odds"
    return _UNITS.get(evidence.target, evidence.target)


def ledger_block(evidence: Evidence) -> RenderableType:
    """Lay out the ledger with signed bars and the shares. Fits 60 columns and more."""
    terms = [(name, value) for name, value in ledger_terms(evidence) if value is not None]
    most = max((abs(value) for _, value in terms), default=0.0) or 1.0
    decimals = min(8, max(0, 3 - math.floor(math.log10(most))))  # four digits of the largest
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(min_width=22, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, min_width=10)
    for name, value in terms:
        bold = "bold" if name == terms[-1][0] else ""
        bar = Bar(2 * most, most + min(value, 0), most + max(value, 0), color="green" if value >= 0 else "red")
        table.add_row(Text(name, style=bold), Text(_signed(value, decimals), style=bold), bar)
    heading = Text.assemble((question(evidence), "bold"), (f" · {unit(evidence)} · {evidence.mode}", "dim"))
    return Group(heading, table, Text(", ".join(_shares(evidence)), style="dim"))


def ledger_terms(evidence: Evidence) -> list[tuple[str, float | None]]:
    """Return the terms of the ledger and, last, what they add up to; None for those that the mode does not know."""
    ledger = evidence.ledger
    return [
        ("before the last block", ledger.base),
        ("read from patches", ledger.patches),
        ("from the class token", ledger.cls_self),
        ("from other tokens", ledger.registers),
        ("not accounted for", ledger.completeness_error),
        (f"= {unit(evidence)}", ledger.target),
    ]


def decision_line(decision: MapsDecision) -> str:
    """Say why there are maps, or none: "no maps: the confidence, 0.973, is not below 0.8"."""
    what = decision.when.condition.removesuffix("_below")
    made, met = ("maps", "is") if decision.made else ("no maps", "is not")
    return f"{made}: the {what}, {decision.value:.3f}, {met} below {decision.when.below:g}"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}"
    return text if text.strip("+-0.") else text.lstrip("+-")  # nothing has no sign


def _shares(evidence: Evidence) -> Iterator[str]:
    yield f"{evidence.border_share:.0%} of it at the border"
    if evidence.prefix_share is not None:
        yield f"{evidence.prefix_share:.0%} not from patches"
    if evidence.outlier_share is not None:
        yield f"{evidence.outlier_share:.0%} on outliers"
    if evidence.ledger.last_block_share is not None:
        yield f"last block {round(evidence.ledger.last_block_share, 2) + 0.0:.0%} of the gain"


def _class(text: str) -> OneClass:
    if text.startswith("="):
        return text[1:]
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


def _when(text: str) -> When:
    condition, equals, bound = text.partition("=")
    condition = condition.replace("-", "_")
    if condition in _CONDITIONS and equals:
        try:
            below = float(bound)
        except ValueError:
            below = 0.0
        if 0 < below <= 1:
            return When(condition, below)
    accepted = " or ".join(f"{name.replace('_', '-')}=X" for name in _CONDITIONS)
    raise argparse.ArgumentTypeError(f"{text!r}; accepted: {accepted}, X above 0 and up to 1")
