"""A stand-in for the Hugging Face hub: folders served over HTTP, as the hub lays models out, for the real client."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0" * 39 + "1"


class Hub:
    """The models that a stand-in has. requests: the paths that were asked for, in order. closed: ids that need a token.

    url: where it listens, for HF_ENDPOINT.
    """

    def __init__(self, models: Mapping[str, Path], url: str, closed: frozenset[str] = frozenset()) -> None:
        self.models, self.url, self.closed = dict(models), url, closed
        self.requests: list[str] = []

    def fetched(self) -> set[str]:
        """Return the names of the files that were downloaded."""
        return {path.rsplit("/", 1)[1] for path in self.requests if "/resolve/" in path}


@contextmanager
def serve(models: Mapping[str, Path], closed: frozenset[str] = frozenset()) -> Iterator[Hub]:
    """Serve folders as models on 127.0.0.1, by their ids such as `team/vit`."""
    hub = Hub(models, "", closed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
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
    for name, folder in hub.models.items():
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        if name in hub.closed and path.startswith((f"/api/models/{name}", f"/{name}/resolve/")):
            return 403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this model is restricted."}
        if path == f"/api/models/{name}" or path.startswith(f"/api/models/{name}/revision/"):
            listing = [{"rfilename": file} for file in files]
            return 200, json.dumps({"id": name, "sha": COMMIT, "siblings": listing}).encode(), {}
        if path.startswith(f"/api/models/{name}/tree/"):
            tree = [
                {"type": "file", "path": file, "size": (folder / file).stat().st_size, "oid": "0" * 40}
                for file in files
            ]
            return 200, json.dumps(tree).encode(), {}
        if path.startswith(f"/{name}/resolve/"):
            file = path.removeprefix(f"/{name}/resolve/").split("/", 1)[1]
            if file not in files:
                return 404, b"", {"X-Error-Code": "EntryNotFound"}
            content = (folder / file).read_bytes()
            return 200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
    return 404, b"", {"X-Error-Code": "RepoNotFound"}
