"""Modules of a page as one script."""

import shutil
import subprocess
from pathlib import Path

import pytest

from vitscope.client.report.script import one_script
from vitscope.explorer import PAGE, REPORT

MODULES = {
    "entry.js": 'import { two as half } from "./deep/two.js";\nimport named from "./named.js";\n'
    "console.log(half(8), named.three);\n",
    "deep/two.js": 'import { RATE, plain } from "../rate.js";\nexport const two = (x) => plain(x) / RATE;\n',
    "rate.js": "export const RATE = 2;\nexport function plain(x) {\n  return x;\n}\nexport class Other {}\n",
    "named.js": 'import { RATE } from "./rate.js";\nexport default {\n  three: RATE + 1,\n};\n',
    "instead.js": "export const RATE = 4;\nexport const plain = (x) => x;\n",
}


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(("instead", "expected"), [(False, "4 3"), (True, "2 5")])
def test_one_script_does_what_its_modules_do(modules: Path, instead: bool, expected: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node: see requirements/dev.txt")
    script = one_script(modules / "entry.js", {modules / "rate.js": modules / "instead.js"} if instead else {})
    ran = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == expected
    assert script.count("const RATE") == 1  # each module once


def test_a_script_that_would_end_its_element_is_refused(modules: Path) -> None:
    (modules / "rate.js").write_text("export const RATE = '</script>';\nexport const plain = 1;\n")
    with pytest.raises(ValueError, match="ends its own element"):
        one_script(modules / "entry.js", {})


def test_the_page_has_no_import_left() -> None:
    script = one_script(PAGE / "app.js", {PAGE.resolve() / "api.js": REPORT.resolve() / "recorded.js"})
    lines = script.splitlines()
    assert not [line for line in lines if line.startswith(("import ", "export "))]
    assert "fetch(" not in script
    exported = {line.split("export const ")[1].split(" ")[0] for line in _exports(PAGE / "api.js")}
    assert exported <= {line.split("export const ")[1].split(" ")[0] for line in _exports(REPORT / "recorded.js")}


def _exports(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("export const ")]
