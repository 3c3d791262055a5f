"""Wheels that are downloaded for tests."""

from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.server.engines.tensorrt import wheels


@pytest.mark.parametrize(("ci", "outcome"), [("", Skipped), ("true", Failed)])
def test_what_cannot_be_installed_is_skipped_but_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(wheels, "_FOLDER", tmp_path / "wheels")
    with pytest.raises(
        outcome, match=r"tensorrt-cu13-bindings 0\.1 cannot be installed: .*tensorrt-cu13-bindings==0\.1"
    ):
        wheels.installed("tensorrt-cu13-bindings", "0.1")
    assert list((tmp_path / "wheels").iterdir()) == []
