"""`vitscope engines`: what this machine can run, and one sentence why not for the rest."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vitscope.bundle import BundleError, open_bundle
from vitscope.help import Help
from vitscope.server.engines.choose import NoEngine, Wanted, choose, objections
from vitscope.tables import terminal_width, text_table

OK, NONE = 0, 1


def main(argv: Sequence[str]) -> int:
    """Print a line for each engine and precision, best first; return 1 when none of them can serve."""
    parser = argparse.ArgumentParser(prog="vitscope engines", description=__doc__, formatter_class=Help)
    parser.add_argument("bundle", nargs="?", type=Path, help="<models>/<name>/<version>: also say what would serve it")
    arguments = parser.parse_args(argv)
    found = list(objections())
    grouped: dict[tuple[str, str], list[str]] = {}
    for rung, why in found:
        grouped.setdefault((rung.kind.name, why or "yes"), []).append(rung.precision)
    rows = ((engine, ", ".join(precisions), here) for (engine, here), precisions in grouped.items())
    print(text_table(("engine", "precisions", "here"), rows, terminal_width()))
    if arguments.bundle:
        print()
        return _print_choice(arguments.bundle)
    return OK if any(why is None for _, why in found) else NONE


def _print_choice(path: Path) -> int:
    try:
        bundle = open_bundle(path)
        choices = choose(bundle, Wanted("auto", "auto", allow_uncertified=False))
    except (BundleError, NoEngine) as error:
        print(f"{path}: {error}")
        return NONE
    first, *others = choices
    measured = f", or {others[0]} where that measures faster" if others else ""
    print(f"{bundle.manifest.name}/{bundle.manifest.version} is served by {first}{measured}: {first.reason}")
    return OK
