"""Imports inside the export go one way."""

import ast
from pathlib import Path

import pytest

EXPORT = Path(__file__).parents[2] / "export"
# Each part imports only parts before it.
LAYERS = (
    *("errors", "progress", "size", "tail", "families", "checkpoint", "methods", "graph", "faithfulness"),
    *("certificate", "variants", "samples", "job", "pipeline", "summary", "report", "cli"),
)


def parts(path: Path) -> set[str]:
    """Return the parts of the export that a file imports, wherever in the file."""
    modules = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[2] for name in modules if name and name.startswith("vitscope.export.")}


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=LAYERS)
def test_a_part_imports_only_those_below_it(number: int) -> None:
    files = [*EXPORT.glob(f"{LAYERS[number]}.py"), *(EXPORT / LAYERS[number]).rglob("*.py")]
    assert files
    for path in files:
        assert parts(path) <= set(LAYERS[: number + 1]), path


def test_every_part_has_its_layer() -> None:
    names = {path.stem for path in EXPORT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert names == {*LAYERS, "__init__"}
