"""`vitscope compare`: reports of `vitscope evaluate` in one table, and each against the first, image by image."""

import argparse
import sys
from pathlib import Path

from vitscope.evaluate.compare_report import verdict, write_comparison
from vitscope.evaluate.comparison import compare
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.records import read_records
from vitscope.evaluate.summary import read_summary, summary_table
from vitscope.help import Help
from vitscope.tables import terminal_width, text_table

USAGE = 2


def main(argv: list[str] | None = None) -> int:
    """Return 0: compared; 2: an expected failure, with a message on stderr."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if len(arguments.reports) < 2:
        parser.error(f"found {len(arguments.reports)} report; accepted: 2 or more")
    try:
        _run(arguments)
    except EvaluateError as error:
        print(f"vitscope compare: {error}", file=sys.stderr)
        return USAGE
    return 0


def _run(arguments: argparse.Namespace) -> None:
    summaries = [read_summary(report) for report in arguments.reports]
    records = [read_records(report) for report in arguments.reports]
    comparisons = [compare(records[0], others) for others in records[1:]]
    if arguments.out:
        # Not at the top, as it is not always needed.
        from vitscope.evaluate.job import check_out

        check_out(arguments.out, arguments.overwrite)
        for at, comparison in enumerate(comparisons, 1):
            folder = arguments.out if len(comparisons) == 1 else arguments.out / str(at)
            write_comparison(comparison, [summaries[0], summaries[at]], folder, arguments.data)
    print(text_table(*summary_table(summaries), width=terminal_width()))
    for comparison, summary in zip(comparisons, summaries[1:], strict=True):
        print("\n" + verdict(comparison, summaries[0].title, summary.title))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope compare",
        formatter_class=Help,
        description="Put reports of `vitscope evaluate` on the same images into one table, and compare each with the "
        "first, image by image: difference of accuracy with its interval, McNemar's test, images with different "
        "answers.",
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="folder that `vitscope evaluate` wrote")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of a report of the comparison; new or empty")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the --data of these reports, for pictures of the images that differ"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
