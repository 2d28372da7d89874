"""The page in a real browser: no error, nothing fetched, sizes, colours, keys, paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from pokegan.report.charts import POINTS
from tests.browser import NAMES, PROGRAM, Browser, browser
from tests.report.test_latent_space import save_latent_space


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed, which the page would be opened in")
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


STILL = {"prefers_reduced_motion": "reduce"}


SHOWN = """[...document.querySelectorAll(".player .film img")].map(
    (each) => getComputedStyle(each).display !== "none")"""


MOMENT = 'document.querySelector(".moment").textContent'


PLAYING = """document.querySelector(".play").getAttribute("aria-label").startsWith("Stop")"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_whole_page(
    chromium: Browser, render: Callable[..., Result], story: Path, width: int, scheme: str
) -> None:
    """No error, nothing fetched, nothing wider than the window, every curve with its points.

    Of two networks one is not trained.
    """
    save_latent_space(story)
    render("aegan", "dcgan819")
    chromium.open(Path("r/index.html"), width, prefers_color_scheme=scheme, **STILL)
    chromium.run("drawn.then(() => true)")
    assert chromium.complaints == []
    assert chromium.requests == [Path("r/index.html").absolute().as_uri()]
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("[...document.images].every((each) => each.naturalWidth > 0)")
    sound = """[...document.querySelectorAll(".chart")].map((chart) => {
        const { width, height, right } = chart.querySelector("svg").getBoundingClientRect();
        const points = chart.querySelectorAll(".mark-symbol path").length;
        const lines = chart.querySelectorAll(".mark-line path").length;
        return [lines, points, width > 200, height > 200, right <= innerWidth];
    })"""
    places = chromium.run('[...document.querySelectorAll(".chart")].map((chart) => chart.id)')
    charts = dict(zip(places, chromium.run(sound), strict=True))
    # Of a network, of true pictures of the same species, and of another.
    assert charts.pop("copies-aegan")[0] == 3
    # Each of the two points has a halo, and so has each of a line of shares.
    curves = [[1, 2 * 2, True, True, True]] * 11
    shares = [[lines, lines * POINTS, True, True, True] for lines in (4, 1)]
    assert list(charts.values()) == curves + shares
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_curves_tell_their_values(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    place = """drawn.then(() => {
        const point = document.querySelector(".chart .mark-symbol path:last-of-type");
        point.scrollIntoView({ block: "center" });
        const { x, y, width, height } = point.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
    })"""
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", **chromium.run(place))
    told = chromium.run('document.querySelector(".vg-tooltip.visible")?.textContent')
    assert "aegan" in told
    assert "120" in told
    assert "123.440" in told


def test_the_slider_moves_the_picture(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    assert chromium.run(SHOWN) == [False, False, True]
    chromium.run('document.querySelector(".player input").focus()')
    chromium.press("ArrowLeft", windowsVirtualKeyCode=37)
    assert chromium.run(SHOWN) == [False, True, False]
    assert chromium.run(MOMENT) == "epoch 100 · step 400"
    chromium.press("Home", windowsVirtualKeyCode=36)
    assert chromium.run(SHOWN) == [True, False, False]
    said = 'document.querySelector(".player input").getAttribute("aria-valuetext")'
    assert chromium.run(said) == chromium.run(MOMENT) == "epoch 50 · step 200"
    chromium.run('document.querySelector(".landmarks button").click()')
    assert chromium.run(SHOWN) == [False, True, False]


def test_space_plays_to_the_end_and_stops(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    assert not chromium.run(PLAYING)
    chromium.run('document.querySelector(".player input").focus()')
    space = {"windowsVirtualKeyCode": 32, "text": " "}
    chromium.press(" ", **space)
    assert chromium.run(PLAYING)
    assert chromium.run(SHOWN) != [False, False, True]
    chromium.press(" ", **space)
    assert not chromium.run(PLAYING)
    chromium.press(" ", **space)
    ended = f"""new Promise((done) => {{
        const look = () => ({PLAYING} ? setTimeout(look, 50) : done(true));
        look();
    }})"""
    assert chromium.run(ended)
    assert chromium.run(SHOWN) == [False, False, True]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_it_plays_by_itself_unless_people_want_less_motion(
    chromium: Browser, render: Callable[..., Result], motion: str
) -> None:
    render()
    chromium.open(Path("r/index.html"), prefers_reduced_motion=motion)
    chromium.run('document.querySelector(".player").scrollIntoView()')
    chromium.run("new Promise((done) => setTimeout(done, 300))")
    assert chromium.run(PLAYING) == (motion == "no-preference")


def test_paper_has_the_last_picture(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    chromium.run('document.querySelector(".landmarks button").click()')
    assert chromium.run(SHOWN) == [False, True, False]
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.run(SHOWN) == [False, False, True]
    height = 'document.querySelector(".controls").getBoundingClientRect().height'
    assert chromium.run(height) == 0
    chromium.call("Page.printToPDF")
    assert chromium.run(MOMENT) == "epoch 120 · step 480"


def test_without_scripts_the_last_picture_stands(
    chromium: Browser, render: Callable[..., Result]
) -> None:
    render()
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(Path("r/index.html"))
        assert chromium.run(SHOWN) == [False, False, True]
        assert chromium.run('document.querySelector(".controls").hidden')
        assert "JavaScript, which is off" in chromium.run("document.body.innerText")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
