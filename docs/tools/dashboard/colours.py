"""The colours of Grafana's dark theme that the panels use."""

PAGE, CARD, BORDER, GRID = "#111217", "#181b1f", "#2a2d33", "#2b2e34"
TEXT, FAINT = "#d8d9dd", "#8f929a"

# The palette of series without a colour of their own, in order.
PALETTE = (
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
# Darker variants for large areas below white text.
_BACKGROUND = {"green": "#3f8a4d", "orange": "#c46a1b", "red": "#b8323f"}


def colour(name: str) -> str:
    """Return a named colour as #rrggbb. Raises KeyError for an unknown name."""
    return _NAMED[name]


def background(name: str) -> str:
    """Return the variant of a named colour for a background of white text."""
    return _BACKGROUND[name]


def at(value: float, steps: list[dict[str, object]]) -> str:
    """Return the name of the colour that thresholds give a value."""
    name = str(steps[0]["color"])
    for step in steps[1:]:
        if value >= float(str(step["value"])):
            name = str(step["color"])
    return name
