"""The kinds of fields that manifest and certificate share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]  # of an output or an explanation method


class Strict(BaseModel):
    """Immutable. An unknown field is an error, so that no reader ignores part of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
