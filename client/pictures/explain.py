"""The picture that explains an answer: the photo, the map, the map over the photo, the classes and the ledger."""

from PIL import Image

from vitscope.client.evidence import ExplainedClass
from vitscope.client.model import Model
from vitscope.client.pictures.stories import Story, label_of, shared_scale, story_of
from vitscope.client.result import AttentionMap, Class, Result
from vitscope.drawing import (
    Drawing,
    Place,
    Scale,
    caption,
    colour_bar,
    column,
    heat_map,
    ledger,
    number,
    overlay,
    photo,
    row,
    sheet,
    titled,
)
from vitscope.drawing.bars import bars
from vitscope.drawing.style import BODY, INK

_WIDTH, _TALLEST, _SMALLEST = 280.0, 380.0, 140.0
_SMALL, _ACROSS = 190.0, 4  # of maps in a contact sheet
_CLASSES = 5
MOST = 48  # maps of a contact sheet


def draw_explanation(
    image: Image.Image, result: Result, model: Model, name: str, smooth: bool = True, opacity: float = 0.6
) -> Drawing:
    """Draw one answer with its maps. image: upright, of any resolution.

    Raises ValueError for an answer without maps, or with more than 48.
    """
    if not 0 < len(result.maps) <= MOST:
        raise ValueError(f"{len(result.maps)} maps; accepted: 1 to {MOST}")
    stories = [story_of(one, model) for one in result.maps]
    first = result.maps[0]
    place = result.geometry.place(*first.values.shape)
    drawn = _Panels(image, place, model, smooth, opacity)
    if len(stories) == 1:
        body = column(drawn.of_one(result, first, stories[0]), drawn.below(result, stories[0]), gap=26)
    elif first.class_index is not None:
        scale = shared_scale(list(result.maps), stories)
        each = [drawn.of_class(one, story, scale) for one, story in zip(result.maps, stories, strict=True)]
        body = column(row(drawn.photo(result), drawn.answer(result)), *each, gap=26)
    else:
        scale = shared_scale(list(result.maps), stories)
        body = column(row(drawn.photo(result), drawn.answer(result)), drawn.contacts(result, stories, scale), gap=26)
    width, height = result.geometry.image_size
    about = f"{name}, {width} × {height} pixels. Model {result.model} v{result.version}, {result.timing.engine}."
    return sheet(body, headline(result, model), about, stories[0].caveat)


def headline(result: Result, model: Model) -> str:
    """Say what the model answered, and what the maps are about where that is another class, or two classes."""
    if (contrast := next((one.evidence for one in result.maps if one.evidence and one.evidence.versus), None)) and (
        len(result.maps) == 1
    ):
        assert contrast.versus is not None
        one, other = (_with_certainty(found, result) for found in (contrast.explained, contrast.versus))
        return f"Why {one} rather than {other}"
    best = result.classes[0] if result.classes else None
    said = f"The model says: {best.label}, {_certainty(best, result)}" if best else "No class is probable enough"
    about = {one.class_index for one in result.maps} - {None, best.index if best else None}
    named = ", ".join(label_of(model, index) for index in sorted(index for index in about if index is not None))
    return f"{said}. Explained: {named}" if named else said


class _Panels:
    """The parts of the picture, of one photo."""

    def __init__(self, image: Image.Image, place: Place, model: Model, smooth: bool, opacity: float) -> None:
        self._image, self._place, self._model = image, place, model
        self._smooth, self._opacity = smooth, opacity
        self._aspect = place.image_size[0] / place.image_size[1]
        self._of_photo = max(min(_WIDTH, _TALLEST * self._aspect), 1.0)
        self._width = max(self._of_photo, _SMALLEST)

    def photo(self, result: Result) -> Drawing:
        seen = result.geometry.seen_share
        note = f"The model saw {seen:.0%} of it; the rest is grey." if seen < 0.9995 else "The model saw all of it."
        return titled("The photo", photo(self._image, self._place, self._of_photo), note)

    def of_one(self, result: Result, one: AttentionMap, story: Story) -> Drawing:
        bar = colour_bar(story.scale, self._width)
        return row(
            self.photo(result),
            titled(story.title, column(self._heat(one, story.scale, self._width), bar, gap=8)),
            titled("The same over the photo", self._overlay(one, story.scale, self._of_photo), story.sentence),
        )

    def of_class(self, one: AttentionMap, story: Story, scale: Scale) -> Drawing:
        heat = column(self._heat(one, scale, _SMALL), colour_bar(scale, _SMALL), gap=8)
        laid = self._overlay(one, scale, max(min(_SMALL, _TALLEST * self._aspect), 1.0))
        return row(
            titled(story.title, heat), titled("Over the photo", laid, story.sentence), self.ledger(story, _WIDTH * 1.4)
        )

    def contacts(self, result: Result, stories: list[Story], scale: Scale) -> Drawing:
        width = max(min(_SMALL, _TALLEST * self._aspect), 1.0)
        cells = [
            titled(f"Layer {one.layer}, {'mean' if one.head is None else f'head {one.head}'}",
                   self._overlay(one, scale, width))
            for one in result.maps
        ]  # fmt: skip
        lines = [row(*cells[at : at + _ACROSS]) for at in range(0, len(cells), _ACROSS)]
        return column(*lines, colour_bar(scale, _WIDTH))

    def below(self, result: Result, story: Story) -> Drawing:
        return (
            row(self.answer(result), self.ledger(story, 2 * self._width + 24)) if story.parts else self.answer(result)
        )

    def answer(self, result: Result) -> Drawing:
        asked = {one.class_index for one in result.maps} | {
            one.evidence.versus.index for one in result.maps if one.evidence and one.evidence.versus
        }
        classes = [one for rank, one in enumerate(result.classes) if rank < _CLASSES or one.index in asked]
        if result.activation == "none":
            lines = [caption(f"{one.label}: {number(one.logit)}", _WIDTH, BODY, colour=INK) for one in classes]
            return titled("The answer", column(*lines, gap=4))
        shares = [(one.label, one.probability, f"{one.probability:.1%}") for one in classes]
        applying = [at for at, one in enumerate(classes) if one.probability >= 0.5]
        strong = applying if result.activation == "sigmoid" else [0]
        title = "Probability of each label" if result.activation == "sigmoid" else "The most probable classes"
        return titled(title, bars(shares, self._width, strong))

    def ledger(self, story: Story, width: float) -> Drawing:
        text = story.scale.text if story.scale.percent else None
        bar = ledger(story.parts, story.total, max(width, 320.0), story.unit, text)
        return titled("What it adds up to", bar, story.note)

    def _heat(self, one: AttentionMap, scale: Scale, width: float) -> Drawing:
        patch = self._model.tokens.patch_width / self._model.tokens.patch_height
        rows, cols = one.values.shape
        return heat_map(one.values, scale, min(width, _TALLEST * cols * patch / rows), patch)

    def _overlay(self, one: AttentionMap, scale: Scale, width: float) -> Drawing:
        return overlay(self._image, one.values, self._place, scale, width, self._smooth, self._opacity)


def _with_certainty(one: ExplainedClass, result: Result) -> str:
    found = next((known for known in result.classes if known.index == one.index), None)
    return f"{one.label} ({_certainty(found, result)})" if found else one.label


def _certainty(best: Class, result: Result) -> str:
    return f"{number(best.logit)}" if result.activation == "none" else f"{best.probability:.1%}"
