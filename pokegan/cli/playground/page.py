"""The page of the playground: what it shows, and what redraws what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nicegui import ui
from torch import Tensor

from pokegan.cli.playground.directions import moved
from pokegan.cli.playground.trained import Trained
from pokegan.core.errors import PipelineError
from pokegan.core.grids import to_image

HERE = Path(__file__).parent
DIRECTIONS = 12  # sliders of the board
FARTHEST = 4.0  # what they move a latent by: its numbers are drawn from N(0, 1)
MOST = 64  # samples
NO_TRUNCATION = 3.0
LARGEST_FILE = 20_000_000  # bytes
NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
SAMPLES, BOARD, BETWEEN, OWN = "Samples", "Directions", "Between", "Your picture"
NUMBERS = ((1, "First"), (2, "Second"))
TABS = "dense no-caps align=left narrow-indicator"
COLOURS = {
    "black": "#1d2129",
    "red": "#d33f49",
    "orange": "#f2a541",
    "yellow": "#f7dd4b",
    "green": "#4f9d4f",
    "blue": "#3a7bd5",
    "violet": "#8a5fbf",
    "white": "#ffffff",
}
WHAT_MOVES = (
    "Each slider moves the latent along a principal direction of the trained generator's first "
    "layer (Shen & Zhou 2021), by so many standard deviations of a latent's numbers. The "
    "percentage is its share of what that layer varies by."
)
NO_ENCODER = (
    "This network has no encoder, which finds the latent of a picture: choose an AEGAN above."
)
TOO_LARGE = "The file is larger than 20 MB; choose a smaller one."


class Page:
    """One visit to the page, with NETWORKS to choose from.

    MARGIN is the white border of a person's own pictures, as a share of a side, as in the data.
    """

    def __init__(self, networks: list[Trained], margin: float) -> None:
        self._networks = {network.name: network for network in networks}
        self._network = networks[0]
        self._margin = margin
        self._base: tuple[Tensor, str] | None = None  # moved in place of a seed's latent; its name
        self._file: tuple[str, bytes] | None = None  # a person's own picture: name, content
        self._stale = False
        ui.add_css(HERE / "page.css")
        ui.add_head_html(f"<script>{(HERE / 'sketch.js').read_text(encoding='utf-8')}</script>")
        ui.colors(primary="#3a6ea5")
        ui.html("PokéGAN playground", tag="h1", sanitize=False)
        self._controls()
        tabs = {
            SAMPLES: (self._samples, self._draw_samples),
            BOARD: (self._board, self._draw_board),
            BETWEEN: (self._between, self._draw_between),
            OWN: (self._own, self._draw_own),
        }
        with ui.tabs(on_change=self._changed).props(TABS) as self._tabs:
            for name in tabs:
                ui.tab(name)
        with ui.tab_panels(self._tabs, value=SAMPLES, animated=False).props("keep-alive"):
            for name, (contents, _) in tabs.items():
                with ui.tab_panel(name):
                    contents()
        self._draw = {name: draw for name, (_, draw) in tabs.items()}
        self._choose(self._network.name)
        # Many events while a slider is dragged, one drawing at a time, always of the latest.
        ui.timer(0.05, self._draw_what_changed)

    def _controls(self) -> None:
        with ui.element("section").classes("controls"):
            ui.select(
                list(self._networks),
                label="Network",
                value=self._network.name,
                on_change=lambda event: self._choose(event.value),
            )
            self._moment_place = ui.element("div")
            self._truncation = _slider(
                "Truncation", (0.1, NO_TRUNCATION, 0.1), NO_TRUNCATION, _truncation, self._changed
            )

    def _samples(self) -> None:
        with ui.element("section").classes("controls"):
            self._samples_seed = _seed("Seed", 1, self._changed)
            self._count = _slider("Pictures", (1, MOST, 1), 24, "{:.0f}".format, self._changed)
        ui.label("Press a picture to move it along the directions.").classes("quiet")
        self._sheet = ui.element("div").classes("samples")
        self._pictures: list[Any] = []

    def _board(self) -> None:
        with ui.element("section").classes("board"):
            with ui.element("div").classes("shown"):
                self._moved, _ = _picture("moved", "moved")
                self._still, self._still_name = _picture("not moved", "")
            with ui.element("div").classes("card"):
                with ui.row():
                    self._board_seed = _seed("Seed", 1, self._take_seed)
                    ui.button("Reset", on_click=self._reset).props("outline no-caps")
                ui.label(WHAT_MOVES).classes("quiet")
                self._sliders_place = ui.element("div").classes("directions")

    def _between(self) -> None:
        with ui.element("section").classes("controls"):
            self._seeds = [_seed(f"{which} seed", n, self._changed) for n, which in NUMBERS]
            self._share = _slider("Way", (0, 1, 0.01), 0.5, "{:.0%}".format, self._changed)
        with ui.element("section").classes("three"):
            self._way = [_picture(name, name)[0] for name in ("first", "between", "second")]

    def _own(self) -> None:
        self._no_encoder = ui.label(NO_ENCODER)
        with ui.element("section").classes("three-cards") as self._own_place:
            with ui.element("div").classes("sketch"):
                canvas = ui.element("canvas").classes("picture")
                canvas.props('width=256 height=256 role=img aria-label="sheet to draw on"')
                for event in ("pointerdown", "pointermove"):
                    canvas.on(event, js_handler="(event) => sketch(event)")
                canvas.on(
                    "pointerup",
                    self._sketched,
                    js_handler="(event) => emit(event.target.toDataURL())",
                )
                with ui.row():
                    for name, colour in COLOURS.items():
                        pen = ui.element("button").classes("pen").style(f"background: {colour}")
                        pen.props(f'aria-label="{name}"')
                        pen.on("click", js_handler=f"() => {{ pen.colour = '{colour}' }}")
                    clear = ui.button("Clear").props("outline no-caps dense")
                    clear.on("click", js_handler="() => clearSketch()")
                ui.upload(
                    label="or a file",
                    auto_upload=True,
                    max_file_size=LARGEST_FILE,
                    on_upload=self._uploaded,
                    on_rejected=lambda: _say(TOO_LARGE),
                ).props("flat bordered")
            self._seen, _ = _picture("seen", "what the encoder sees")
            with ui.element("div"):
                self._again, self._error = _picture("drawn again", "drawn again")
                self._take_own = ui.button("Move it along the directions")
                self._take_own.props("outline no-caps").on_click(self._take_encoded)

    def _choose(self, name: str) -> None:
        self._network, self._base = self._networks[name], None
        moments = self._network.moments
        self._moment_place.clear()
        with self._moment_place:
            self._moment = _slider(
                "Training",
                (0, len(moments) - 1, 1),
                len(moments) - 1,
                lambda value: moments[int(value)].name,
                self._changed,
            )
            self._moment.set_enabled(len(moments) > 1)
        self._sliders_place.clear()
        with self._sliders_place:
            self._sliders = [
                _slider(
                    f"{number} · {share:.1%}",
                    (-FARTHEST, FARTHEST, 0.1),
                    0,
                    "{:+.1f}".format,
                    self._changed,
                )
                for number, share in enumerate(self._network.shares[:DIRECTIONS], 1)
            ]
        self._no_encoder.set_visibility(not self._network.encodes)
        self._own_place.set_visibility(self._network.encodes)
        self._changed()

    def _changed(self) -> None:
        self._stale = True

    def _draw_what_changed(self) -> None:
        if not self._stale:
            return
        self._stale = False
        try:
            self._draw[self._tabs.value]()
        except PipelineError as fault:
            _say(fault.message)

    @property
    def _step(self) -> int | None:
        return self._network.moments[int(self._moment.value)].step

    def _latents(self, count: int, seed: Any) -> Tensor:
        value = float(self._truncation.value)
        truncation = None if value >= NO_TRUNCATION else value
        return self._network.latents(count, int(seed.value or 0), truncation)

    def _draw_samples(self) -> None:
        z = self._latents(int(self._count.value), self._samples_seed)
        while len(self._pictures) > len(z):
            self._pictures.pop().parent_slot.parent.delete()
        with self._sheet:
            while len(self._pictures) < len(z):
                number = len(self._pictures)
                with ui.element("button").on("click", partial(self._take_sample, number)):
                    self._pictures.append(ui.element("img").classes("picture"))
        for number, (picture, pixels) in enumerate(
            zip(self._pictures, self._network.draw(z, self._step), strict=True), 1
        ):
            _show(picture, pixels, f"sample {number}")

    def _draw_board(self) -> None:
        z, name = self._base or (
            self._latents(1, self._board_seed),
            f"seed {int(self._board_seed.value or 0)}",
        )
        amounts = [float(slider.value) for slider in self._sliders]
        there = moved(z, self._network.directions, amounts)
        still, pixels = self._network.draw(torch.cat([z, there]), self._step)
        _show(self._still, still)
        _show(self._moved, pixels)
        self._still_name.set_text(f"not moved: {name}")

    def _draw_between(self) -> None:
        first, second = (self._latents(1, seed) for seed in self._seeds)
        there = self._network.between(first, second, float(self._share.value))
        pictures = self._network.draw(torch.cat([first, there, second]), self._step)
        for picture, pixels in zip(self._way, pictures, strict=True):
            _show(picture, pixels)

    def _draw_own(self) -> None:
        self._take_own.set_enabled(False)
        if not (self._file and self._network.encodes):
            return
        result = self._network.reconstruct(*self._file, self._margin)
        _show(self._seen, result.originals[0])
        _show(self._again, result.again[0])
        self._error.set_text(
            f"drawn again by the trained network: error {result.picture_errors[0]:.3f}, where 0 is "
            f"the same and 1 black for white; error of the latent {result.latent_errors[0]:.2f}, "
            f"whose length is {result.z[0].norm():.2f}"
        )
        self._encoded = result.z
        self._take_own.set_enabled(True)

    def _sketched(self, event: Any) -> None:
        self._file = ("drawing.png", base64.b64decode(event.args.partition(",")[2]))
        self._changed()

    async def _uploaded(self, event: Any) -> None:
        self._file = (event.file.name, await event.file.read())
        event.sender.reset()
        self._changed()

    def _take_sample(self, number: int) -> None:
        z = self._latents(int(self._count.value), self._samples_seed)[number : number + 1]
        self._take(z, f"sample {number + 1} of seed {int(self._samples_seed.value or 0)}")

    def _take_encoded(self) -> None:
        self._take(self._encoded, "your picture")

    def _take_seed(self) -> None:
        self._base = None
        self._changed()

    def _take(self, z: Tensor, name: str) -> None:
        self._base = (z, name)
        self._reset()
        self._tabs.set_value(BOARD)

    def _reset(self) -> None:
        for slider in self._sliders:
            slider.set_value(0)


def _slider(
    name: str,
    numbers: tuple[float, float, float],
    value: float,
    told: Callable[[float], str],
    changed: Callable[[], None],
) -> Any:
    """A slider from, to and in steps of NUMBERS, below its NAME and what is TOLD of its value."""
    low, high, step = numbers
    with ui.element("div").classes("slider"):
        with ui.element("div").classes("names"):
            ui.label(name)
            label = ui.label()
        slider = ui.slider(min=low, max=high, step=step, value=value, on_change=changed)
        slider.props(f'aria-label="{name}"')
        # The thumb follows the hand, not what comes back from a server that is drawing.
        slider.LOOPBACK = slider.props["loopback"] = False
        label.bind_text_from(slider, "value", told)
    return slider


def _seed(name: str, value: int, changed: Callable[[], None]) -> Any:
    return ui.number(name, value=value, min=0, precision=0, step=1, on_change=changed)


def _picture(name: str, caption: str) -> tuple[Any, Any]:
    """A place for a picture called NAME, and its CAPTION's."""
    with ui.element("figure"):
        picture = ui.element("img").classes("picture").props(f'src="{NOTHING}" alt="{name}"')
        with ui.element("figcaption"):
            return picture, ui.label(caption)


def _show(picture: Any, pixels: np.ndarray, name: str | None = None) -> None:
    stream = BytesIO()
    to_image(pixels).save(stream, format="PNG")
    picture.props["src"] = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    if name:
        picture.props["alt"] = name


def _truncation(value: float) -> str:
    return "off" if value >= NO_TRUNCATION else f"± {value:.1f}"


def _say(sentence: str) -> None:
    ui.notify(sentence, type="negative", multi_line=True)
