"""Grafana's dark theme, as far as the panels here use it."""

PAGE, CARD, BORDER, GRID = "#111217", "#181b1f", "#2a2d33", "#2b2e34"
TEXT, FAINT = "#d8d9dd", "#8f929a"

# In which lines take turns where no colour is set.
TURNS = (
    "#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#FADE2A",
    "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F",
)  # fmt: skip

_NAMED = {
    "blue": "#5794F2",
    "dark-red": "#C4162A",
    "gray": "#808080",
    "green": "#73BF69",
    "light-blue": "#8AB8FF",
    "light-yellow": "#FFEE52",
    "orange": "#FF9830",
    "purple": "#B877D9",
    "red": "#F2495C",
    "semi-dark-red": "#E02F44",
    "yellow": "#FADE2A",
}
# Large areas of these are darker, so that white text stands out.
_GROUND = {"green": "#3f8a4d", "orange": "#c46a1b", "red": "#b8323f"}


def colour(name: str) -> str:
    """A named colour as #rrggbb. Raises KeyError for one that is not known here."""
    return _NAMED[name]


def ground(name: str) -> str:
    """A named colour as the ground of white text."""
    return _GROUND[name]


def at(value: float, steps: list[dict[str, object]]) -> str:
    """The name of the colour that thresholds give a value."""
    name = str(steps[0]["color"])
    for step in steps[1:]:
        if value >= float(str(step["value"])):
            name = str(step["color"])
    return name
