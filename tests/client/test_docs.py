"""Every Python block of the pages on the client runs as written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.admin_servicer import AdminServicer, serving_admin

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("README.md", "docs/client.md")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs_as_written(block: str, server: str, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(photos / "one.jpg", tmp_path / "photo.jpg")
    with serving_admin(AdminServicer()) as admin:
        program = block.replace("localhost:8500", server).replace("localhost:8502", admin)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or list(tmp_path.glob("*.png"))
