"""calibration.json: written as it is read, and refused by field where it is wrong."""

import json
from pathlib import Path

import pytest

from vitscope.calibration import CALIBRATION, Calibration, CalibrationError, read_calibration

WRONG = ["0", "-1", "NaN", "Infinity", "-Infinity", '"2"', "null", "true", "[2]", "1e-9", "1e9"]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = Calibration(1.7, 500, 0.4, 0.3, 0.06, 0.01)
    written.write(tmp_path)
    assert read_calibration(tmp_path) == written


def test_without_a_file_there_is_none_and_only_the_temperature_is_needed(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) is None
    (tmp_path / CALIBRATION).write_text('{"temperature": 2, "by": "hand"}')
    assert read_calibration(tmp_path) == Calibration(2.0)


@pytest.mark.parametrize("value", WRONG)
def test_a_wrong_temperature_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / CALIBRATION).write_text(f'{{"temperature": {value}}}')
    with pytest.raises(CalibrationError, match=r"calibration\.json: temperature is .*accepted: a number from 0.001 to"):
        read_calibration(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "2", "{}", json.dumps({"Temperature": 2})])
def test_what_is_no_calibration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / CALIBRATION).write_text(text)
    with pytest.raises(
        CalibrationError, match=r"calibration\.json: (not JSON|no temperature); accepted: a JSON object"
    ):
        read_calibration(tmp_path)
