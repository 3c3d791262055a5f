"""The attention explorer: a page that shows how a served model sees a photo. The server serves it at its root."""

from pathlib import Path

PAGE = Path(__file__).parent / "page"
"""Its files: index.html, and what that loads from /explorer/. Plain ES modules; nothing is built."""

REPORT = Path(__file__).parent / "report"
"""What a report has in addition: recorded.js in the place of api.js, and a style."""
