"""Sphinx's settings for the documentation site, which `make docs` builds.

Its source folder is the root of the repository and README.md the first page, so that links between Markdown files
lead to the same places on the site as in a checkout. A link to any other file becomes a download of that file; a link
to nothing fails the build.
"""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

import vitscope

ROOT = Path(__file__).parents[1]
NAVIGATION = {
    "Start": [
        "client",
        "http",
        "explorer",
        "pictures",
        "finetune",
        "evaluate",
        "export",
        "models",
        "explanations",
        "../examples/fashion/README",
        "../examples/photos/README",
    ],
    "Operate": ["operate", "serve", "images", "gpu", "envoy", "dashboard", "loadtest"],
    "Reference": ["python", "protos", "metrics", "bundle", "benchmarks", "compare", "../CHANGELOG"],
    "Internals": ["architecture", "../CONTRIBUTING"],
}
PAGES = {caption: [f"docs/{page}".replace("docs/../", "") for page in pages] for caption, pages in NAVIGATION.items()}

project = "vitscope"
copyright = "the vitscope authors; Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "README"
include_patterns = [f"{page}.md" for page in [root_doc, *chain(*PAGES.values())]]
myst_heading_anchors = 4
# Docstrings put code between single backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "vitscope"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False


def navigation() -> Iterator[str]:
    for caption, pages in PAGES.items():
        yield "\n".join(
            ["```{toctree}", ":hidden:", f":caption: {caption}", "", *(f"/{page}" for page in pages), "```"]
        )


def protos() -> Iterator[str]:
    for path in sorted((ROOT / "protos/vitscope/v1").glob("*.proto")):
        yield f"## {path.name}\n\n```{{literalinclude}} /{path.relative_to(ROOT)}\n:language: protobuf\n```"


def python() -> Iterator[str]:
    """Document what `vitscope` exports, and the classes beside these that requests and results consist of."""
    exported = {name: getattr(vitscope, name) for name in vitscope.__all__}
    documented = {f"vitscope.{name}": value for name, value in sorted(exported.items(), key=lambda item: len(item[0]))}
    for module in sorted({value.__module__ for value in exported.values()}):
        for name, value in vars(import_module(module)).items():
            own = inspect.isclass(value) and value.__module__ == module and not name.startswith("_")
            if own and module.startswith("vitscope.client") and name not in exported:
                documented[f"{module}.{name}"] = value
    for title in ("Clients", "Requests and results", "Errors", "Bundles"):
        yield f"## {title}"
        yield from (_entry(name, value) for name, value in documented.items() if _section(value) == title)


def _section(value: Any) -> str:
    if inspect.isclass(value) and issubclass(value, Exception):
        return "Errors"
    if value.__module__.startswith("vitscope.bundle"):
        return "Bundles"
    return "Clients" if hasattr(value, "close") else "Requests and results"


def _entry(name: str, value: Any) -> str:
    if not inspect.isclass(value):
        return f"```{{eval-rst}}\n.. autofunction:: {name}\n```"
    bases = "\n   :show-inheritance:" if issubclass(value, Exception) else ""
    return f"```{{eval-rst}}\n.. autoclass:: {name}\n   :members:{bases}\n```"


# What the site has and a checkout has not, at the end of these pages.
MADE: dict[str, Callable[[], Iterator[str]]] = {"README": navigation, "docs/protos": protos, "docs/python": python}


def append(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname in MADE:
        source[0] = "\n\n".join([source[0], *MADE[docname]()])


def check(app: Sphinx) -> None:
    pages = {path.relative_to(app.srcdir).as_posix() for path in (app.srcdir / "docs").glob("*.md")}
    for page in sorted(pages - set(include_patterns)):
        getLogger(__name__).warning("NAVIGATION in docs/conf.py lacks %s", page)


def redirect(app: Sphinx, error: Exception | None) -> None:
    """Let the site's folder open with the first page."""
    (app.outdir / "index.html").write_text('<meta http-equiv="refresh" content="0; url=README.html">\n')


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", check)
    app.connect("source-read", append)
    app.connect("build-finished", redirect)
