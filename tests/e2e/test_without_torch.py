"""Serving needs no torch: the server in an environment that holds requirements/serve.txt and nothing else."""

import subprocess
import sys
from pathlib import Path

from client import Client
from tests.conftest import FASHION
from tests.e2e.harness import ROOT, RunningServer


def test_the_server_runs_where_only_its_own_requirements_are_installed(models: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]
    subprocess.run([*install, ROOT / "requirements" / "serve.txt"], check=True)
    names = (
        "import importlib.util as u; print([n for n in ('torch', 'transformers', 'timm', 'onnx') if u.find_spec(n)])"
    )
    found = subprocess.run([python, "-c", names], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"
    environment = {"PYTHONPATH": "protos"}
    with RunningServer(models, python=python, environment=environment) as server, Client(server.address) as client:
        sample = next((FASHION / "samples").glob("trouser-*.png"))
        assert client.classify(sample, model="fashion", attention="all").maps
