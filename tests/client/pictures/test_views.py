"""Results in notebooks and as figures of matplotlib."""

import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from tests.client.servicer import answer
from vitscope.client.errors import InvalidImage
from vitscope.client.evidence import Evidence, ExplainedClass, Ledger
from vitscope.client.request import classify_request
from vitscope.client.result import Class, Result

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def result() -> Result:
    return Result.of(answer(classify_request(PIXELS, attention="last", heads="all", top_k=3)))


def test_a_figure_has_the_classes_the_photo_and_each_map(result: Result) -> None:
    figure = result.plot(PIXELS)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["the photo", *(f"attention, layer 3, head {head}" for head in range(3))]
    assert f"{result.classes[0].label}, {result.classes[0].probability:.1%}" in figure.get_suptitle()
    alone = result.plot()
    shown = [axis.images[0].get_array() for axis in alone.axes if axis.get_title()]
    assert (np.asarray(shown[1]) == result.maps[1].values).all()
    # Of all heads the same colours, so that they can be compared.
    assert len({axis.images[0].get_clim() for axis in alone.axes if axis.get_title()}) == 1
    assert Result.of(answer(classify_request(PIXELS))).plot().axes


def test_another_photo_is_refused(result: Result) -> None:
    with pytest.raises(InvalidImage, match="image: 64x64 pixels; accepted: the image of this result, of 64x48"):
        result.plot(np.zeros((64, 64, 3), np.uint8))


def test_show_opens_what_plot_draws(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mpl.get_backend()
    mpl.use("agg")
    from matplotlib import pyplot

    opened: list[int] = []
    monkeypatch.setattr(pyplot, "show", lambda: opened.extend(pyplot.get_fignums()))
    result.show(PIXELS)
    assert len(opened) == 1
    pyplot.close("all")
    mpl.use(before)


def test_without_matplotlib_the_extra_is_named(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for call in (result.plot, result.show):
        with pytest.raises(ModuleNotFoundError, match=r"need matplotlib, .* pip install 'vitscope\[plot\]'"):
            call()


def test_a_notebook_shows_classes_and_the_first_maps(result: Result) -> None:
    html = result._repr_html_()
    assert html.count("<tr>") == 3 and html.count("data:image/png;base64,") == 3
    assert "attention, layer 3, head 0" in html and "<script" not in html and "http" not in html
    many = Result.of(answer(classify_request(PIXELS, attention="all", heads="all")))
    assert "and 8 more maps" in many._repr_html_()


def test_labels_are_text_and_values_are_not_probabilities(result: Result) -> None:
    odd = replace(result, classes=(Class(0, "<b>$x$", 0.0, -1.25),), activation="none", maps=())
    assert "&lt;b&gt;$x$" in odd._repr_html_() and "-1.25" in odd._repr_html_()
    assert "%" not in odd._repr_html_().split("</b>")[1].replace("100%", "")
    odd.plot().canvas.draw()
    nothing = replace(result, classes=(), maps=())
    assert "no class" in nothing._repr_html_()


def test_evidence_is_named_by_its_classes(result: Result) -> None:
    known = Ledger(-0.5, -1.2, 0.6, 0.1, 0.0, 0.0, 0.4)
    sneaker, boot = ExplainedClass(7, "sneaker"), ExplainedClass(9, "ankle boot")
    why = Evidence(sneaker, boot, "log_probability", "integrated", known, "last_attention", 0.2, None, None, None)
    one = replace(result.maps[0], method="evidence", class_index=7, evidence=why)
    html = replace(result, maps=(one, replace(one, evidence=replace(why, versus=None))))._repr_html_()
    assert "evidence for sneaker rather than ankle boot<" in html and "evidence for sneaker<" in html
