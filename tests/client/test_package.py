"""The public names of `vitscope`."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import vitscope

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", vitscope.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(vitscope, name))
    assert name in dir(vitscope)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'vitscope' has no attribute 'Server'"):
        _ = vitscope.Server


def test_names_are_imported_when_they_are_used() -> None:
    loaded = "import sys, vitscope; sys.exit(bool({'grpc', 'numpy', 'pydantic', 'torch'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", loaded], env={"PYTHONPATH": f"{ROOT}/src"}, check=True)
