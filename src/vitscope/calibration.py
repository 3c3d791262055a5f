"""calibration.json: the temperature of a checkpoint, which stands beside its weights.

`finetune` fits and writes it, `evaluate` reads it, and `export` carries it into the bundle's manifest. The checkpoint's
logits stay as they are: whoever makes probabilities of them divides them by the temperature first (arXiv:1706.04599).
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

CALIBRATION = "calibration.json"

LEAST, MOST = 1e-3, 1e3
"""Bounds of a temperature. What a fit finds lies between 0.3 and 5; beyond these bounds float32 would lose classes."""


class CalibrationError(ValueError):
    """A calibration.json that is not one. The message names file and field, what was found and what is accepted."""


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation images, and what it changed there.

    temperature: 0.001 to 1000; 1 leaves probabilities as they are. images: how many it was fitted on. nll: mean
    negative log-likelihood of the true class, in nats. ece: expected calibration error, 0..1. Both with the logits as
    they are, and divided by the temperature; None where nobody measured it.
    """

    temperature: float
    images: int | None = None
    nll_before: float | None = None
    nll_after: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None

    def __post_init__(self) -> None:
        check_temperature(self.temperature, "temperature")

    def write(self, checkpoint: Path) -> None:
        """Write calibration.json into the folder of a checkpoint."""
        (checkpoint / CALIBRATION).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def check_temperature(value: Any, field: str) -> float:
    """Return a temperature as float. Raises CalibrationError, which names the field, for anything that is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not LEAST <= value <= MOST:
        raise CalibrationError(f"{field} is {value!r}; accepted: a number from {LEAST:g} to {MOST:g}")
    return float(value)


def read_calibration(checkpoint: Path) -> Calibration | None:
    """Read calibration.json from the folder of a checkpoint; None where there is none.

    Fields beside `temperature` are for people, and unknown ones are ignored. Raises CalibrationError.
    """
    path = checkpoint / CALIBRATION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not JSON"
        raise CalibrationError(f"{path}: {reason}; accepted: a JSON object with temperature") from error
    if not isinstance(found, dict) or "temperature" not in found:
        raise CalibrationError(f"{path}: no temperature; accepted: a JSON object with temperature")
    known: dict[str, Any] = {field.name: found.get(field.name) for field in fields(Calibration)}
    try:
        return Calibration(**{**known, "temperature": check_temperature(found["temperature"], "temperature")})
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error
