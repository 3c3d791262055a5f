"""What a report says beside its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vitscope.evaluate.predictions import Unreadable


@dataclass(frozen=True)
class Card:
    """The words of a model card. Paths of this machine have no place in it: a checkpoint is published with it.

    name: of the model. data: name of the data set. split: that was measured, such as "test". counts: images of each
    split. base: hub id or name of the checkpoint that training began with; None for random weights, or where nobody
    knows. licence: a hub identifier such as "apache-2.0". settings: of training or evaluation, name to value. command:
    that made it. limits: sentences on what the model is not for. unreadable: images left out. notes: on how the data
    were read. library: what loads the folder that the card lies in; "transformers" for a checkpoint, None for a mere
    report.
    """

    name: str = ""
    data: str = ""
    split: str = "test"
    counts: Mapping[str, int] = field(default_factory=dict)
    base: str | None = None
    licence: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""
    limits: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    library: str | None = "transformers"
