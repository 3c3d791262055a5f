"""Options of the commands that draw pictures: which file is written, and which patch is looked at."""

import argparse
import re
from pathlib import Path

FORMATS = (".png", ".svg")


def add_out_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Add -o FILE; its name says the format."""
    parser.add_argument(
        "-o",
        "--out",
        type=picture_file,
        default=Path(default),
        metavar="FILE",
        help=f"picture to write: a name ending in {' or '.join(FORMATS)} (default: %(default)s)",
    )


def add_patch_option(parser: argparse._ActionsContainer, text: str) -> None:
    """Add --patch ROW,COL."""
    parser.add_argument("--patch", type=patch, metavar="ROW,COL", help=f"{text}; rows and columns count from 0")


def picture_file(text: str) -> Path:
    """Parse the name of a picture: an argparse type."""
    path = Path(text)
    if "\0" in text or path.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a file name ending in {' or '.join(FORMATS)}")
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"there is no folder {str(path.parent)!r}"
        raise argparse.ArgumentTypeError(f"{text!r}: {reason}; accepted: a file in a folder that exists")
    return path


def patch(text: str) -> tuple[int, int]:
    """Parse ROW,COL: an argparse type."""
    if not re.fullmatch(r"[0-9]{1,6},[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: ROW,COL, two whole numbers from 0, such as 3,7")
    row, column = text.split(",")
    return int(row), int(column)


def check_patch(chosen: tuple[int, int] | None, grid: tuple[int, int]) -> None:
    """Raise ValueError for a patch outside a grid of (rows, columns)."""
    if chosen is not None and not (chosen[0] < grid[0] and chosen[1] < grid[1]):
        raise ValueError(
            f"--patch {chosen[0]},{chosen[1]}: outside the grid; "
            f"accepted: rows 0 to {grid[0] - 1}, columns 0 to {grid[1] - 1}"
        )
