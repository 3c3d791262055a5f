"""Panels of current values: tiles and tables."""

from docs.tools.dashboard import colours
from docs.tools.dashboard.answers import Answer, Json
from docs.tools.dashboard.card import TITLE, Card
from docs.tools.dashboard.units import formatted


def stat(card: Card, panel: Json, answers: list[Answer]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    if not answers:
        card.frame(panel["title"])
        card.wrapped(defaults["noValue"], 30)
        return
    value = answers[0].series.last
    card.frame(panel["title"], colours.background(colours.at(value, defaults["thresholds"]["steps"])))
    text = formatted(value, defaults["unit"], defaults["decimals"])
    card.text(card.width / 2, card.height * 0.6, text, size=30, weight="bold", ha="center", color="white")


def table(card: Card, panel: Json, answers: list[Answer]) -> None:
    card.frame(panel["title"])
    columns, rows = merged(panel, answers)
    looks = {one["matcher"]["options"]: _properties(one) for one in panel["fieldConfig"]["overrides"]}
    widths = {
        column: 18
        + max(card.width_of(column, weight="bold"), *(card.width_of(_cell(row, column, looks)) for row in rows))
        for column in columns
    }
    left = 10.0
    for column in columns:
        card.text(left, TITLE + 14, column, color="#7da4e8", weight="bold")
        for number, row in enumerate(rows):
            middle = TITLE + 42 + 28 * number
            value = row.get(column)
            if "thresholds" in looks.get(column, {}) and isinstance(value, float):
                fill = colours.background(colours.at(value, looks[column]["thresholds"]["steps"]))
                card.box(left - 4, middle - 13, widths[column] - 6, 26, fill)
            card.text(left, middle, _cell(row, column, looks))
        left += widths[column]


def merged(panel: Json, answers: list[Answer]) -> tuple[list[str], list[dict[str, str | float]]]:
    """Return columns and rows as the transformations `merge` and `organize` make them.

    Series that agree on their common labels share a row.
    """
    organize = panel["transformations"][1]["options"]
    names = organize["renameByName"]
    rows: list[dict[str, str | float]] = []
    for answer in answers:
        labels = answer.series.labels
        value = {names[f"Value #{answer.ref}"]: answer.series.last}
        same = [row for row in rows if all(row.get(label, text) == text for label, text in labels.items())]
        for row in same:
            row |= value
        if not same:
            rows.append({**labels, **value})
    places = organize["indexByName"]
    return [names.get(name, name) for name in sorted(places, key=places.__getitem__)], rows


def _cell(row: dict[str, str | float], column: str, looks: dict[str, Json]) -> str:
    value = row.get(column, "")
    if isinstance(value, str):
        return value
    look = looks.get(column, {})
    for mapping in look.get("mappings", []):
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    return formatted(value, look.get("unit", "none"), look.get("decimals"))


def _properties(override: Json) -> Json:
    return {one["id"]: one["value"] for one in override["properties"]}
