"""A report as one HTML file."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence

from vitscope.client.model import Model
from vitscope.client.report.messages import to_fields
from vitscope.client.report.record import Photo
from vitscope.client.report.script import one_script
from vitscope.client.report.summary import summary
from vitscope.explorer import PAGE, REPORT


def page(model: Model, photos: Sequence[Photo]) -> str:
    """Return HTML that opens offline: nothing in it may ask anyone for anything, and no script but its own runs."""
    recorded = json.dumps(
        {"model": to_fields(model.raw), "photos": [photo.fields() for photo in photos]}, ensure_ascii=False
    ).replace("<", "\\u003c")
    script = "\n" + one_script(PAGE / "app.js", {PAGE.resolve() / "api.js": REPORT.resolve() / "recorded.js"})
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    sheets = re.findall(r'<link rel="stylesheet" href="/explorer/([\w.-]+)">\n', html)
    style = "\n".join([*((PAGE / name).read_text(encoding="utf-8") for name in sheets), _style()])
    policy = (
        f"default-src 'none'; img-src data: blob:; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>'
    html = re.sub(r'<link rel="stylesheet"[^\n]*\n', "", html)
    html = html.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{head}')
    html = re.sub(r'<script type="module" src="[^"]*"></script>\n', "", html)
    html = re.sub(r"(?s)(<h1>.*?</h1>\s*)<p>.*?</p>", rf"\1<p>{_intro(len(photos))}</p>", html, count=1)
    html = html.replace('<form id="ask"', summary(photos) + '\n<form id="ask"')
    scripts = (
        f'<script type="application/json" id="recorded">{recorded}</script>\n<script type="module">{script}</script>\n'
    )
    return html.replace("</body>", scripts + "</body>")


def _intro(count: int) -> str:
    photos = "one photo" if count == 1 else f"{count} photos"
    return f"How a Vision Transformer saw {photos}: a report that needs no server."


def _style() -> str:
    return (REPORT / "report.css").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return how a policy names an element by its content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
