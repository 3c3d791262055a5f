"""A stand-in for the Hugging Face hub: folders served over HTTP, as the hub lays models and data sets out.

For the real client.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COMMIT = "0" * 39 + "1"  # of every repository
CONVERTED = "0" * 39 + "2"  # of a revision after "@"


@dataclass
class Hub:
    """What a stand-in has, by ids such as `team/vit`.

    A data set `team/images@refs/convert/parquet` is that revision of `team/images`. closed: ids that need a token.
    url: where it listens, for HF_ENDPOINT. requests: the paths that were asked for, in order.
    """

    models: dict[str, Path]
    datasets: dict[str, Path]
    closed: frozenset[str] = frozenset()
    url: str = ""
    requests: list[str] = field(default_factory=list)

    def fetched(self) -> set[str]:
        """Return the names of the files that were downloaded."""
        return {path.rsplit("/", 1)[1] for path in self.requests if "/resolve/" in path}


@contextmanager
def serve(
    models: Mapping[str, Path], closed: frozenset[str] = frozenset(), datasets: Mapping[str, Path] | None = None
) -> Iterator[Hub]:
    """Serve folders as models and data sets on 127.0.0.1."""
    hub = Hub(dict(models), dict(datasets or {}), closed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = unquote(self.path.split("?")[0])
            if body:
                hub.requests.append(path)
            status, content, headers = _answer(hub, path)
            self.send_response(status)
            for name, value in {"X-Repo-Commit": COMMIT, **headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            server.shutdown()


@contextmanager
def client_of(hub: Hub, cache: Path, monkeypatch: Any) -> Iterator[Hub]:
    """Point the hub's client in this process at a stand-in, with a cache of its own."""
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", hub.url + template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub


def _answer(hub: Hub, path: str) -> tuple[int, bytes, dict[str, str]]:
    for kind, files_at, repositories in (("models", "", hub.models), ("datasets", "/datasets", hub.datasets)):
        for name in (key for key in repositories if "@" not in key):
            api, files = f"/api/{kind}/{name}", f"{files_at}/{name}/resolve/"
            if path != api and not path.startswith((f"{api}/", files)):
                continue
            if name in hub.closed:
                return 403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to {name} is restricted."}
            return _of_repository(name, repositories, path.removeprefix(api), path.removeprefix(files))
    return 404, b"", {"X-Error-Code": "RepoNotFound"}


def _of_repository(
    name: str, repositories: Mapping[str, Path], asked: str, file: str
) -> tuple[int, bytes, dict[str, str]]:
    """Answer `asked` of the API (which begins with a slash), or give a file (which does not)."""
    commit = COMMIT
    for key in (key for key in repositories if key.startswith(f"{name}@")):
        revision = key.partition("@")[2]
        if any(text in asked or file.startswith(f"{text}/") for text in (revision, CONVERTED)):
            name, file, commit = key, file.replace(revision, CONVERTED, 1), CONVERTED
    folder = repositories[name]
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    if asked == "" or asked.startswith("/revision/"):
        listing = [{"rfilename": file} for file in files]
        return 200, json.dumps({"id": name.partition("@")[0], "sha": commit, "siblings": listing}).encode(), {}
    if asked.startswith("/tree/"):
        tree = [{"type": "file", "path": f, "size": (folder / f).stat().st_size, "oid": "0" * 40} for f in files]
        return 200, json.dumps(tree).encode(), {}
    file = file.split("/", 1)[1]
    if file not in files:
        return 404, b"", {"X-Error-Code": "EntryNotFound"}
    content = (folder / file).read_bytes()
    return 200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
