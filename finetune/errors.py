"""The expected failures of fine-tuning."""


class FinetuneError(Exception):
    """An expected failure. The message names the option or file, what was found and what is accepted."""
