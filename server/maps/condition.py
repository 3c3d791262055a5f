"""When maps are made: always, or only where the answer is in doubt."""

from dataclasses import dataclass
from typing import Literal

from vitscope.bundle import Activation
from vitscope.server.errors import InvalidRequest

Condition = Literal["always", "confidence_below", "margin_below"]


@dataclass(frozen=True, slots=True)
class When:
    """A condition on the answer. below: the bound of its confidence or margin; 0 where there is none."""

    condition: Condition = "always"
    below: float = 0.0

    def __bool__(self) -> bool:
        """Return whether there is a condition to be met."""
        return self.condition != "always"

    def check(self, activation: Activation) -> None:
        """Raise InvalidRequest for a bound that means nothing, or a condition on what the model's answers have not."""
        if not self:
            if self.below != 0:
                raise InvalidRequest("when_below", f"{self.below:g}", "0 where maps are always made")
            return
        if activation == "none":
            raise InvalidRequest(
                "when", self.condition, "always: this model's answers are plain values, without confidence"
            )
        if not 0 < self.below <= 1:
            raise InvalidRequest("when_below", f"{self.below:g}", "above 0 and up to 1")

    def decide(self, confidence: float | None, margin: float | None) -> "Decision":
        """Return whether maps are made for an answer with this confidence and margin, 0..1."""
        value = margin if self.condition == "margin_below" else confidence
        assert value is not None
        return Decision(self, value, value < self.below)


ALWAYS = When()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a condition was met: `value`, the confidence or margin of the answer, is below its bound."""

    when: When
    value: float
    made: bool
