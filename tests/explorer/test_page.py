"""The attention explorer in a browser: what it draws is what the server answered, wherever the photo came from."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.harness import RunningServer
from tests.explorer.browser import browser, opened
from tests.http1 import Socket
from vitscope.server.maps.colours import COLOURS


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[RunningServer]:
    with RunningServer(models) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def upload(data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def ask(page: Any, data: bytes, model: str = "registers") -> None:
    page.locator("#model option").first.wait_for(state="attached")
    page.select_option("#model", model)
    page.set_input_files("#file", upload(data))
    page.locator("#prediction-text", has_text=f"{model}, version 1").wait_for()
    page.locator("#panels").wait_for()


def answer(server: RunningServer, data: bytes, model: str = "registers") -> Any:
    query = f"model={model}&maps.all_layers=true&maps.all_heads=true&values=lists"
    with Socket(server.http) as client:
        reply = client.request("POST", f"/api/v1/classify?{query}", data, Content_Type="image/jpeg")
    return reply.json


def test_every_panel_shows_what_the_server_answered(server: RunningServer, chromium: Any, photo: bytes) -> None:
    expected = answer(server, photo)
    with opened(chromium, server.http) as found:
        ask(found.page, photo)
        first = expected["classes"][0]
        assert found.page.locator("#prediction th").first.inner_text() == first["label"]
        geometry = expected["geometry"]
        size = f"{geometry['image_width']} × {geometry['image_height']}"
        assert f"Of {size} pixels" in found.page.inner_text("#seen-text")
        # The map of one head, as it is: without the photo below, and each cell in one colour.
        found.page.locator("#smooth").uncheck()
        found.page.locator("#opacity").fill("1")
        found.page.locator("#layer").fill("0")
        found.page.select_option("#head", index=2)
        found.page.locator("#attention-text", has_text="Layer 1, its head 2").wait_for()
        (shown,) = [each for each in expected["maps"] if (each["layer"], each["head"]) == (0, 1)]
        check_colours(found, geometry, np.array(shown["values"]))


def check_colours(found: Any, geometry: Any, values: np.ndarray) -> None:
    """Check the colour in the middle of each patch."""
    m, size = geometry["grid_to_image"], (geometry["image_width"], geometry["image_height"])
    levels = np.floor((values - values.min()) / np.ptp(values) * 255 + 0.5).astype(int)
    for row, col in np.ndindex(values.shape):
        x, y = (m[0] * (col + 0.5) + m[2]) / size[0], (m[4] * (row + 0.5) + m[5]) / size[1]
        drawn = np.array(found.pixel("attention", x, y), int)
        assert np.abs(drawn - COLOURS["viridis"][levels[row, col]]).max() <= 2, (row, col)


@pytest.mark.parametrize("orientation", [1, 6])
def test_photos_lie_as_the_server_has_them(server: RunningServer, chromium: Any, orientation: int) -> None:
    """A photo with a red, a green, a blue and a white quarter, stored turned."""
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:100, :150], pixels[:100, 150:] = (255, 0, 0), (0, 255, 0)
    pixels[100:, :150], pixels[100:, 150:] = (0, 0, 255), (255, 255, 255)
    image, file = Image.fromarray(pixels), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image if orientation == 1 else image.transpose(Image.Transpose.ROTATE_90)
    stored.save(file, "JPEG", quality=95, exif=exif)
    with opened(chromium, server.http) as found:
        ask(found.page, file.getvalue(), "fashion")
        corners = [found.pixel("seen", x, y) for x, y in ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))]
        expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
        assert np.abs(np.array(corners) - expected).max() < 12
        assert "Of 300 × 200 pixels the model saw 100.0\u00a0%" in found.page.inner_text("#seen-text")


def test_a_patch_is_selected_by_pointer_and_by_keys(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        ask(found.page, photo, "fashion")
        patches, text = found.page.locator("#patches"), found.page.locator("#patch")
        box = patches.bounding_box()
        patches.hover(position={"x": box["width"] * 2.5 / 7, "y": box["height"] * 1.5 / 7})
        text.filter(has_text="Patch 10 of 49: row 2, column 3. Attention").wait_for()
        patches.focus()
        for pressed, place in (("ArrowDown", "row 3, column 3"), ("ArrowLeft", "column 2"), ("End", "row 3, column 7")):
            found.page.keyboard.press(pressed)
            text.filter(has_text=place).wait_for()
        found.page.keyboard.press("ArrowRight")  # there is none
        text.filter(has_text="row 3, column 7").wait_for()
        assert found.page.locator("#patches").get_attribute("tabindex") == "0"


def test_the_address_says_what_is_selected(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http, "/#model=registers&layer=1&head=2&patch=5") as found:
        page = found.page
        page.locator("#model option").first.wait_for(state="attached")
        page.set_input_files("#file", upload(photo))
        page.locator("#attention-text", has_text="Layer 1, its head 2: ").wait_for()
        assert page.input_value("#model") == "registers" and page.input_value("#layer") == "0"
        assert page.inner_text("#patch").startswith("Patch 5 of 9: row 2, column 2.")
        page.select_option("#head", index=0)
        page.wait_for_url("**/#model=registers&layer=1&head=0&patch=5")
        page.select_option("#model", "fashion")
        page.locator("#attention-text", has_text="Layer 1, the mean over its heads: ").wait_for()


@pytest.mark.parametrize("path", ["/", "/api/docs"])
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_pages_fit_their_screen(
    server: RunningServer, chromium: Any, photo: bytes, path: str, width: int, scheme: str
) -> None:
    with opened(chromium, server.http, path, viewport={"width": width, "height": 740}, color_scheme=scheme) as found:
        if path == "/":
            ask(found.page, photo)
        else:
            found.page.locator("#schemas details").first.wait_for()
            found.page.locator("#paths details").last.click()
        assert found.page.evaluate("() => document.documentElement.scrollWidth") == width


def test_what_goes_wrong_is_said_and_the_page_goes_on(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        page = found.page
        page.locator("#model option").first.wait_for(state="attached")
        page.set_input_files("#file", upload(b"no image"))
        page.locator("#problem", has_text="image.encoded: ").wait_for()
        page.route("**/api/v1/classify*", lambda route: route.abort())
        page.set_input_files("#file", upload(photo))
        page.locator("#problem", has_text="The server cannot be reached").wait_for()
        page.unroute("**/api/v1/classify*")
        ask(page, photo)
        assert page.inner_text("#problem") == ""
        # The browser logs refusals and lost connections by itself.
        found.complaints = [each for each in found.complaints if not each.startswith("Failed to load resource")]


def test_photos_can_be_dropped_and_pasted(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        found.page.locator("#model option").first.wait_for(state="attached")
        for event, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
            send = """([event, carrier, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" }));
                document.getElementById("prediction-text").textContent = "";
                const kind = event === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new kind(event, { [carrier]: data, bubbles: true }));
            }"""
            found.page.evaluate(send, [event, carrier, list(photo)])
            found.page.locator("#prediction-text", has_text="version 1").wait_for()
