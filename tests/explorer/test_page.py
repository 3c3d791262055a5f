"""The page as a whole: photos wherever they come from, what is selected and shared, and what goes wrong."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.harness import RunningServer
from tests.explorer.browser import opened

STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""How a camera stores an upright photo, by the EXIF orientation that it then writes."""


def test_photos_lie_as_the_server_has_them(server: RunningServer, chromium: Any) -> None:
    """A photo of odd sides with a red, a green, a blue and a white quarter, stored turned and mirrored."""
    pixels = np.full((201, 301, 3), 255, np.uint8)
    pixels[:100, :150], pixels[:100, 150:], pixels[100:, :150] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    with opened(chromium, server.http) as found:
        for orientation in range(1, 9):
            stored, file, exif = Image.fromarray(pixels), io.BytesIO(), Image.Exif()
            if orientation in STORED:
                stored = stored.transpose(STORED[orientation])
            exif[0x0112] = orientation
            stored.save(file, "JPEG", quality=95, exif=exif)
            found.ask(file.getvalue(), "registers")
            found.panel("photo").filter(has_text="Of 301 × 201 pixels the model saw").wait_for()
            for canvas in ("#photo .stage canvas", "#photo canvas.input"):  # the photo, and what is made of it here
                corners = [found.pixel(canvas, x, y) for x, y in ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))]
                assert np.abs(np.array(corners) - expected).max() < 12, (orientation, canvas)


def test_the_address_says_what_is_selected(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http, "/#model=registers&layer=1&head=2&patch=5") as found:
        page = found.page
        found.ask(photo, "registers")
        assert page.input_value("#model") == "registers" and page.input_value("#layer") == "0"
        assert page.input_value("#head") == "1"
        assert "Patch 5 of 9: row 2, column 2." in found.panel("patches").inner_text()
        page.select_option("#head", index=0)
        page.wait_for_url("**/#model=registers&layer=1&head=0&patch=5")
        page.select_option("#model", "wide")
        page.locator("#shown[data-model='wide']").wait_for()
        page.wait_for_url("**/#model=wide&layer=1&head=0&patch=5")


def test_samples_of_the_model_are_offered_and_shared(server: RunningServer, chromium: Any) -> None:
    with opened(chromium, server.http, "/#model=fashion") as found:
        page = found.page
        page.locator("#samples button").nth(2).click()
        page.locator("#shown[data-model='fashion']").wait_for()
        page.locator("#samples button").nth(4).click(modifiers=["Shift"])
        page.locator("#overview canvas").nth(1).wait_for()
        names = [page.locator("#samples button").nth(at).get_attribute("data-name") for at in (2, 4)]
        page.wait_for_url(f"**sample={names[0]}&beside={names[1]}*")
        said = page.locator("#overview .answer").all_inner_texts()
        address = page.url
    with opened(chromium, server.http) as found:  # what is shared, shown by another browser
        found.page.goto(address)
        found.page.reload()
        found.page.locator("#overview .answer").nth(1).wait_for()
        assert found.page.locator("#overview .answer").all_inner_texts() == said
        assert found.panel("photo").locator("canvas.input").count() == 2
        found.page.get_by_role("button", name="Remove the second photo").click()
        found.page.locator("#overview canvas").nth(1).wait_for(state="detached")
        assert found.panel("photo").locator("canvas.input").count() == 1


@pytest.mark.parametrize("path", ["/", "/api/docs"])
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (700, "light"), (1440, "light")])
def test_pages_fit_their_screen(
    server: RunningServer, chromium: Any, photo: bytes, path: str, width: int, scheme: str
) -> None:
    """700 pixels are also what a window of 1,400 has at a zoom of 200 %."""
    with opened(chromium, server.http, path, viewport={"width": width, "height": 740}, color_scheme=scheme) as found:
        if path == "/":
            found.ask(photo, "registers")
            for panel in found.page.locator(".panel").all():
                found.panel(panel.get_attribute("id"))
        else:
            found.page.locator("#schemas details").first.wait_for()
            found.page.locator("#paths details").last.click()
        assert found.page.evaluate("() => document.documentElement.scrollWidth") == width


def test_what_goes_wrong_is_said_and_the_page_goes_on(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        page = found.page
        page.locator("#model option").first.wait_for(state="attached")
        large = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)).save(large, "PNG")
        for data, said in ((b"no image", "image.encoded: "), (large.getvalue(), "accepted: at most 1,048,576 bytes")):
            page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": data})
            page.locator("#problem", has_text=said).wait_for()
        page.route("**/api/v1/classify*", lambda route: route.abort())
        page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo})
        page.locator("#problem", has_text="The server cannot be reached").wait_for()
        page.unroute("**/api/v1/classify*")
        # One part of the server fails: the panels that need it say so, and the others do not mind.
        broken = '{"detail": "the embedding is out of order"}'
        page.route("**/embedding", lambda route: route.fulfill(status=500, body=broken))
        found.ask(photo, "registers")
        assert page.inner_text("#problem") == ""
        assert "the embedding is out of order" in found.panel("embedding").inner_text()
        assert found.panel("evidence").get_attribute("data-state") == "drawn"
        found.refused()


def test_photos_can_be_dropped_and_pasted(server: RunningServer, chromium: Any, photo: bytes) -> None:
    send = """([event, carrier, bytes, target]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" }));
        const kind = event === "drop" ? DragEvent : ClipboardEvent;
        document.querySelector(target).dispatchEvent(new kind(event, { [carrier]: data, bubbles: true }));
    }"""
    with opened(chromium, server.http) as found:
        page = found.page
        page.locator("#model option").first.wait_for(state="attached")
        page.evaluate(send, ["paste", "clipboardData", list(photo), "body"])
        page.locator("#overview .answer").wait_for()
        page.evaluate(send, ["drop", "dataTransfer", list(photo), "#photos .drop:last-child"])
        page.locator("#overview .answer").nth(1).wait_for()
        answers = page.locator("#overview .answer").all_inner_texts()
        assert len(answers) == 2 and answers[0] == answers[1]


def test_a_model_without_attention_says_so_in_each_panel(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        found.ask(photo, "windows")
        states = {each: found.panel(each).get_attribute("data-state") for each in ("heads", "matrix", "rollout")}
        assert set(states.values()) == {"missing"}
        assert "attends within windows" in found.page.inner_text("#heads .note")
        for each in ("photo", "patches", "embedding", "positions", "evidence", "prediction", "holds", "takeaway"):
            assert found.panel(each).get_attribute("data-state") == "drawn", each
        assert found.page.locator("#layer").is_hidden()
        found.page.select_option("#model", "registers")
        found.page.locator("#shown[data-model='registers']").wait_for()
        assert found.panel("heads").get_attribute("data-state") == "drawn"
