"""The page in a real browser: layout, charts, time-lapse, print."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pokegan.report.charts import QUANTILES
from tests.browser import NAMES, PROGRAM, Browser, browser
from tests.report.fixtures import SCORES

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"none of {', '.join(NAMES)} is installed")

STILL = {"prefers_reduced_motion": "reduce"}
VISIBLE = """[...document.querySelectorAll(".player")[0].querySelectorAll(".film img")].map(
    (frame) => getComputedStyle(frame).display !== "none")"""
LABEL = 'document.querySelector(".snapshot").textContent'
PLAYING = 'document.querySelector(".play").getAttribute("aria-label").startsWith("Stop")'
FOCUS = 'document.querySelector(".player input").focus()'


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="module")
def file(rendered: Path) -> Path:
    return rendered / "reports/index.html"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_whole_page_is_displayed(
    chromium: Browser, file: Path, width: int, scheme: str
) -> None:
    """No message, no request, nothing wider than the window, all points in all charts."""
    chromium.open(file, width, prefers_color_scheme=scheme, **STILL)
    chromium.run("rendered.then(() => true)")
    assert chromium.messages == []
    assert chromium.requests == [file.as_uri()]
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("[...document.images].every((image) => image.naturalWidth > 0)")
    chart = """[...document.querySelectorAll(".chart")].map((chart) => {
        const { width, height, right } = chart.querySelector("svg").getBoundingClientRect();
        const points = chart.querySelectorAll(".mark-symbol path").length;
        const lines = chart.querySelectorAll(".mark-line path").length;
        return [lines, points, width > 200, height > 200, right <= innerWidth];
    })"""
    charts = [tuple(each) for each in chromium.run(chart)]
    # Two networks, two points each, and a target for the pointer around each.
    curve = (2, 2 * 2 * 2, True, True, True)
    # A target for each of 16 frequencies.
    spectra = (2, 2 * 16, True, True, True)
    # A target for each quantile.
    distributions = [(n, n * len(QUANTILES), True, True, True) for n in (3, 3, 4, 1)]
    assert charts == [*[curve] * len(SCORES), spectra, *[curve] * 5, *distributions]
    background = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_lines_of_a_chart_differ_by_color_or_dashes(chromium: Browser, file: Path) -> None:
    chromium.open(file, **STILL)
    lines = """rendered.then(() => [...document.querySelectorAll(".chart")].map((chart) =>
        [...chart.querySelectorAll(".mark-line path, .role-mark.mark-rule line")].map((line) =>
            [line.getAttribute("stroke"), line.getAttribute("stroke-dasharray")])))"""
    charts = chromium.run(lines)
    first, second, ink = "#0072B2", "#E69F00", "currentColor"
    assert charts[0] == [[first, "5,4"], [second, "5,4"], [first, None], [second, None]]
    assert charts[8] == [[ink, "7,4"], [first, None], [second, None]]
    assert charts[13] == [[first, None], [second, None]]
    assert charts[15] == [[second, "1,0"], [ink, "7,4"], [ink, "2,3"]]
    assert charts[16] == [[first, "1,0"], [ink, "7,4"], [ink, "2,3"], [ink, "9,3,2,3"]]
    assert charts[17] == [[ink, "7,4"], [first, "1,0"]]


def test_points_show_their_values(chromium: Browser, file: Path) -> None:
    chromium.open(file, **STILL)
    place = """rendered.then(() => {
        const point = document.querySelector(".chart .mark-symbol path:last-of-type");
        point.scrollIntoView({ block: "center" });
        const { x, y, width, height } = point.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
    })"""
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", **chromium.run(place))
    shown = chromium.run('document.querySelector(".vg-tooltip.visible")?.textContent')
    for words in ("network", "120", "Fréchet distance", "123.440"):
        assert words in shown


def test_slider_keys_select_a_frame(chromium: Browser, file: Path) -> None:
    chromium.open(file, **STILL)
    assert chromium.run(VISIBLE) == [False, False, True]
    chromium.run(FOCUS)
    chromium.press("ArrowLeft", windowsVirtualKeyCode=37)
    assert chromium.run(VISIBLE) == [False, True, False]
    assert chromium.run(LABEL) == "epoch 100 · step 400"
    chromium.press("Home", windowsVirtualKeyCode=36)
    assert chromium.run(VISIBLE) == [True, False, False]
    spoken = 'document.querySelector(".player input").getAttribute("aria-valuetext")'
    assert chromium.run(spoken) == chromium.run(LABEL) == "epoch 50 · step 200"


def test_space_starts_and_stops_and_playback_ends_with_the_last_frame(
    chromium: Browser, file: Path
) -> None:
    chromium.open(file, **STILL)
    assert not chromium.run(PLAYING)
    chromium.run(FOCUS)
    space = {"windowsVirtualKeyCode": 32, "text": " "}
    chromium.press(" ", **space)
    assert chromium.run(PLAYING)
    assert chromium.run(VISIBLE) != [False, False, True]
    chromium.press(" ", **space)
    assert not chromium.run(PLAYING)
    chromium.press(" ", **space)
    ended = f"""new Promise((done) => {{
        const poll = () => ({PLAYING} ? setTimeout(poll, 50) : done(true));
        poll();
    }})"""
    assert chromium.run(ended)
    assert chromium.run(VISIBLE) == [False, False, True]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_visible_player_starts_unless_reduced_motion_is_requested(
    chromium: Browser, file: Path, motion: str
) -> None:
    chromium.open(file, prefers_reduced_motion=motion)
    chromium.run('document.querySelector(".player").scrollIntoView()')
    chromium.run("new Promise((done) => setTimeout(done, 300))")
    assert chromium.run(PLAYING) == (motion == "no-preference")


def test_print_shows_the_last_frame_and_its_label(chromium: Browser, file: Path) -> None:
    chromium.open(file, **STILL)
    chromium.run(FOCUS)
    chromium.press("ArrowLeft", windowsVirtualKeyCode=37)
    assert chromium.run(VISIBLE) == [False, True, False]
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.run(VISIBLE) == [False, False, True]
    height = 'document.querySelector(".controls").getBoundingClientRect().height'
    assert chromium.run(height) == 0
    chromium.call("Page.printToPDF")
    assert chromium.run(LABEL) == "epoch 120 · step 480"


def test_without_javascript_the_last_frame_remains(chromium: Browser, file: Path) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(file)
        assert chromium.run(VISIBLE) == [False, False, True]
        assert chromium.run('document.querySelector(".controls").hidden')
        assert "require JavaScript" in chromium.run("document.body.innerText")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
