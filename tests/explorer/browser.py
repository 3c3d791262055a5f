"""Debian's Chromium on the pages of a running server. What a page logs, and what it asks of others, is a failure."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# As the page does it. A report is one file, of whose modules none can be named.
BRING = """(name) => location.protocol === "file:"
    ? document.getElementById(name).scrollIntoView()
    : import("/explorer/contents.js").then(({ bring }) => bring(name))"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""After these, what was selected is drawn."""


@contextmanager
def browser() -> Iterator[Any]:
    """Start the browser, without a window. Skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: see requirements/dev.txt")
    if CHROMIUM is None:
        pytest.skip("no Chromium: `make chromium`")
    with playwright.sync_playwright() as running:
        # Tests in containers run as root, whom Chromium gives no sandbox. The pages are our own.
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


class Opened:
    """A page. complaints: errors that it logged, and requests to any other server."""

    def __init__(self, page: Any, server: str) -> None:
        self.page, self.complaints = page, list[str]()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self._asked(asked.url, server))

    def refused(self) -> None:
        """Take back what the browser logs by itself of refusals and lost connections."""
        self.complaints = [each for each in self.complaints if not each.startswith("Failed to load resource")]

    def _asked(self, url: str, server: str) -> None:
        if not url.startswith((server + "/", "data:", "blob:")):
            self.complaints.append(f"asked for {url}")

    def ask(self, data: bytes, model: str, slot: str = "file") -> None:
        """Choose a model and a photo, and wait for the answer."""
        self.page.locator("#model option").first.wait_for(state="attached")
        if self.page.input_value("#model") != model:
            self.page.select_option("#model", model)
        before = self.page.get_attribute("#shown", "data-answers") or "0"
        self.page.set_input_files(f"#{slot}", {"name": "a photo", "mimeType": "image/jpeg", "buffer": data})
        self.page.locator(f"#shown[data-model='{model}']:not([data-answers='{before}'])").wait_for()
        self.page.evaluate(TWO_FRAMES)

    def panel(self, name: str) -> Any:
        """Bring a panel to the screen, and wait until it is drawn or says why not."""
        section = self.page.locator(f"#{name}")
        self.page.evaluate(BRING, name)
        self.page.locator(f"#{name}[data-state]:not([data-state='waiting'])").wait_for()
        self.page.evaluate(TWO_FRAMES)
        return section

    def pixel(self, canvas: str, x: float, y: float) -> list[int]:
        """Return red, green and blue of a canvas, by its selector, at a share of its width and height."""
        read = """(canvas, [x, y]) => [...canvas.getContext("2d")
            .getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data].slice(0, 3)"""
        found = self.page.locator(canvas).first.evaluate(read, [x, y])
        assert isinstance(found, list)
        return found


@contextmanager
def opened(running: Any, server: str, path: str = "/", **context: Any) -> Iterator[Opened]:
    """Open a page of a server ("http://host:port"). Leaving the block checks that it did not complain."""
    page = running.new_page(**context)
    found = Opened(page, server)
    try:
        page.goto(server + path)
        yield found
    finally:
        page.close()
    assert found.complaints == []
