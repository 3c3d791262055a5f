"""The help of every subcommand: lines break between words, never inside one, however narrow the terminal is."""

import argparse
import textwrap


class Help(argparse.HelpFormatter):
    """argparse's own layout; only names such as --no-certificate are not broken, and narrow terminals get less indent.

    To be given as `formatter_class`, also to the parsers of sub-subcommands.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._max_help_position = min(self._max_help_position, max(self._width // 4, 8))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        text = " ".join(text.split())
        return textwrap.fill(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
