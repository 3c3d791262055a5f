"""Options of a load, as the command line gives them."""

from argparse import ArgumentParser

from vitscope.loadtest.options import Options, add_options

SMALL = ("--sizes", "64x48")


def options(*arguments: str) -> Options:
    parser = ArgumentParser()
    add_options(parser)
    return Options.of(parser.parse_args(arguments))
