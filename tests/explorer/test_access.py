"""The page without a mouse and without eyes: keyboard, names, words for maps, axe-core's rules, the tour."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import RunningServer
from tests.explorer.browser import opened

NODE = Path(os.environ.get("VITSCOPE_TEST_NODE", Path(sys.prefix) / "node")) / "node_modules"


def test_patches_are_a_grid_for_the_keyboard(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        page = found.page
        found.ask(photo, "fashion")
        grid, text = found.panel("patches").locator("[role=grid]"), page.locator("#patches .text")
        assert grid.locator("[tabindex='0']").count() == 1
        box = grid.bounding_box()
        grid.hover(position={"x": box["width"] * 2.5 / 7, "y": box["height"] * 1.5 / 7})
        text.filter(has_text="Patch 10 of 49: row 2, column 3.").wait_for()
        page.mouse.move(0, 0)
        text.filter(has_text="49 patches, 7 rows of 7").wait_for()
        grid.locator("[tabindex='0']").focus()
        presses = [
            ("ArrowDown", "row 2, column 1"), ("End", "row 2, column 7"), ("ArrowRight", "row 2, column 7"),
            ("PageDown", "row 7, column 7"), ("Home", "row 7, column 1"), ("Control+Home", "row 1, column 1"),
        ]  # fmt: skip
        for pressed, place in presses:
            page.keyboard.press(pressed)
            text.filter(has_text=f": {place}.").wait_for()
            assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(place)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")  # keeps it
        page.wait_for_url("**patch=8*")
        page.locator("h1").click()
        text.filter(has_text=": row 2, column 1.").wait_for()
        grid.locator("[tabindex='0']").focus()
        page.keyboard.press("Escape")
        text.filter(has_text="49 patches").wait_for()


def test_a_finger_selects_patches(server: RunningServer, chromium: Any, photo: bytes) -> None:
    shape = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(chromium, server.http, **shape) as found:
        found.ask(photo, "fashion")
        grid = found.panel("patches").locator("[role=grid]")
        box = grid.bounding_box()
        grid.tap(position={"x": box["width"] * 6.5 / 7, "y": box["height"] * 0.5 / 7})
        found.page.wait_for_url("**patch=7*")


def test_maps_are_told_in_words_and_numbers(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        found.ask(photo, "wide")
        words = found.panel("evidence").locator("details", has_text="In words and numbers")
        words.locator("summary").click()
        words.locator("p", has_text="Largest: row ").wait_for()
        assert words.locator("tbody tr").count() == 3 and words.locator("tbody td").count() == 15


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(server: RunningServer, chromium: Any, photo: bytes, scheme: str) -> None:
    axe = NODE / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("no axe-core: `make .venv/node`")
    with opened(chromium, server.http, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce") as found:
        found.ask(photo, "fashion")
        for panel in found.page.locator(".panel").all():
            found.panel(panel.get_attribute("id"))
        found.page.locator("#tour-start").click()
        found.page.add_script_tag(path=axe)
        run = "axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
        violations = found.page.evaluate(f"{run}.then((found) => found.violations)")
        said = [(each["id"], each["nodes"][0]["html"][:200], each["nodes"][0].get("failureSummary"))
                for each in violations if each["impact"] in ("serious", "critical")]  # fmt: skip
        assert said == [], said


def test_the_tour_leads_through_and_remembers_its_place(server: RunningServer, chromium: Any) -> None:
    with opened(chromium, server.http, "/#model=fashion") as found:
        page = found.page
        page.locator("#samples button").first.wait_for()
        page.get_by_role("button", name="Take the tour").click()  # it takes the first sample by itself
        page.locator("#tour", has_text="Step 1 of 7").wait_for()
        assert "ankle-boot of yours" in page.inner_text("#tour")
        for step in range(2, 5):
            page.keyboard.press("ArrowRight")
            page.locator("#tour", has_text=f"Step {step} of 7").wait_for()
            assert page.locator(".panel.toured").count() == 1
        page.keyboard.press("Escape")
        page.locator("#tour").wait_for(state="hidden")
        assert page.evaluate("document.activeElement.id") == "tour-start"
        page.reload()
        page.get_by_role("button", name="Continue the tour (4 of 7)").click()
        for step in range(5, 8):
            page.locator("#tour").get_by_role("button", name="Next").click()
            page.locator("#tour", has_text=f"Step {step} of 7").wait_for()
        page.locator("#tour", has_text="was read in the").wait_for()
        page.locator("#tour").get_by_role("button", name="Done").click()
        page.locator("#tour").wait_for(state="hidden")
        assert page.inner_text("#tour-start") == "Take the tour"
