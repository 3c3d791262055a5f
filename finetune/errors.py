"""What can be wrong with a fine-tuning job, said so that it can be put right."""


class FinetuneError(Exception):
    """An expected failure: the message names the option or file, what was found and what is accepted."""
