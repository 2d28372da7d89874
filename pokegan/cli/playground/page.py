"""The page of the playground: its tabs, and what each of them generates."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nicegui import ui
from torch import Tensor

from pokegan.analysis.latent_space import spherical_path
from pokegan.cli.playground import widgets
from pokegan.cli.playground.directions import move
from pokegan.cli.playground.trained import TrainedNetwork
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import seeded_latents

HERE = Path(__file__).parent
N_DIRECTIONS = 12  # sliders
MAX_MOVE = 4.0  # along a direction, in standard deviations of a latent component
MAX_SAMPLES = 64
NO_TRUNCATION = 3.0
MAX_FILE_SIZE = 20_000_000  # bytes
SAMPLES, DIRECTIONS, INTERPOLATION, OWN = "Samples", "Directions", "Interpolation", "Your image"
TABS = "dense no-caps align=left narrow-indicator"
DIRECTIONS_HELP = (
    "Each slider moves the latent along a principal direction of the generator's first layer "
    "(Shen & Zhou 2021), in standard deviations of a latent component. The percentage is the share "
    "of the direction in the variance of that layer's output."
)


def show_truncation(value: float) -> str:
    """Format the value of the slider, whose right end disables the truncation."""
    return "off" if value >= NO_TRUNCATION else f"± {value:.1f}"


class Page:
    """One visit to the page; the margin is that of the visitor's own images, see `to_square`."""

    def __init__(self, networks: list[TrainedNetwork], margin: float) -> None:
        self._networks = {network.name: network for network in networks}
        self._network = networks[0]
        self._margin = margin
        self._start: tuple[Tensor, str] | None = None  # latent to move instead of the seed's; name
        self._file: tuple[str, bytes] | None = None  # the visitor's image: name, content
        self._stale = False
        self._slider = partial(widgets.slider, on_change=self._changed)
        self._seed_field = partial(widgets.seed_field, on_change=self._changed)
        ui.add_css(HERE / "page.css")
        ui.add_head_html(f"<script>{(HERE / 'sketch.js').read_text(encoding='utf-8')}</script>")
        ui.colors(primary="#3a6ea5")
        ui.html("PokéGAN playground", tag="h1", sanitize=False)
        self._add_controls()
        tabs = {
            SAMPLES: (self._add_samples, self._update_samples),
            DIRECTIONS: (self._add_directions, self._update_directions),
            INTERPOLATION: (self._add_interpolation, self._update_interpolation),
            OWN: (self._add_own, self._update_own),
        }
        with ui.tabs(on_change=self._changed).props(TABS) as self._tabs:
            for name in tabs:
                ui.tab(name)
        with ui.tab_panels(self._tabs, value=SAMPLES, animated=False).props("keep-alive"):
            for name, (add, _) in tabs.items():
                with ui.tab_panel(name):
                    add()
        self._update = {name: update for name, (_, update) in tabs.items()}
        self._choose(self._network.name)
        # A dragged slider sends many events: update for the latest one, once at a time.
        ui.timer(0.05, self._update_if_stale)

    def _add_controls(self) -> None:
        with ui.element("section").classes("controls"):
            ui.select(
                list(self._networks),
                label="Network",
                value=self._network.name,
                on_change=lambda event: self._choose(event.value),
            )
            self._snapshot_place = ui.element("div")
            limits = (0.1, NO_TRUNCATION, 0.1)
            self._truncation = self._slider("Truncation", limits, NO_TRUNCATION, show_truncation)

    def _add_samples(self) -> None:
        with ui.element("section").classes("controls"):
            self._samples_seed = self._seed_field("Seed", 1)
            self._count = self._slider("Images", (1, MAX_SAMPLES, 1), 24, "{:.0f}".format)
        ui.label("Click an image to move it along the directions.").classes("quiet")
        self._sheet = ui.element("div").classes("samples")
        self._samples: list[Any] = []

    def _add_directions(self) -> None:
        with ui.element("section").classes("board"):
            with ui.element("div").classes("shown"):
                self._moved, _ = widgets.image("moved", "moved")
                self._original, self._original_name = widgets.image("original", "")
            with ui.element("div").classes("card"):
                with ui.row():
                    self._directions_seed = widgets.seed_field("Seed", 1, self._use_seed)
                    ui.button("Reset", on_click=self._reset).props("outline no-caps")
                ui.label(DIRECTIONS_HELP).classes("quiet")
                self._sliders_place = ui.element("div").classes("directions")

    def _add_interpolation(self) -> None:
        with ui.element("section").classes("controls"):
            self._seeds = [self._seed_field("First seed", 1), self._seed_field("Second seed", 2)]
            self._position = self._slider("Position", (0, 1, 0.01), 0.5, "{:.0%}".format)
        with ui.element("section").classes("three"):
            self._path = [widgets.image(name, name)[0] for name in ("first", "between", "second")]

    def _add_own(self) -> None:
        self._no_encoder = ui.label("This network has no encoder; choose an AEGAN above.")
        with ui.element("section").classes("three-cards") as self._own_place:
            with ui.element("div").classes("sketch"):
                widgets.sketch(self._take_sketch)
                ui.upload(
                    label="or a file",
                    auto_upload=True,
                    max_file_size=MAX_FILE_SIZE,
                    on_upload=self._take_upload,
                    on_rejected=lambda: widgets.show_error("The file is larger than 20 MB."),
                ).props("flat bordered")
            self._input, _ = widgets.image("input", "input of the encoder")
            with ui.element("div"):
                self._output, self._error = widgets.image("reconstruction", "reconstruction")
                self._move_own = ui.button("Move it along the directions")
                self._move_own.props("outline no-caps").on_click(
                    lambda: self._move(self._encoded, "your image")
                )

    def _choose(self, name: str) -> None:
        self._network, self._start = self._networks[name], None
        snapshots = self._network.snapshots
        last = len(snapshots) - 1
        self._snapshot_place.clear()
        with self._snapshot_place:
            self._snapshot = self._slider(
                "Training", (0, last, 1), last, lambda index: snapshots[int(index)].name
            )
            self._snapshot.set_enabled(last > 0)
        shares = self._network.principal[1][:N_DIRECTIONS].tolist()
        self._sliders_place.clear()
        with self._sliders_place:
            limits = (-MAX_MOVE, MAX_MOVE, 0.1)
            self._sliders = [
                self._slider(f"{number} · {share:.1%}", limits, 0, "{:+.1f}".format)
                for number, share in enumerate(shares, 1)
            ]
        self._no_encoder.set_visibility(not self._network.has_encoder)
        self._own_place.set_visibility(self._network.has_encoder)
        self._changed()

    def _changed(self) -> None:
        self._stale = True

    def _update_if_stale(self) -> None:
        if self._stale:
            self._stale = False
            try:
                self._update[self._tabs.value]()
            except PipelineError as error:
                widgets.show_error(error.message)

    def _generate(self, z: Tensor) -> Any:
        return self._network.generate(z, self._network.snapshots[int(self._snapshot.value)].step)

    def _latents(self, count: int, seed: Any) -> Tensor:
        value = float(self._truncation.value)
        truncation = None if value >= NO_TRUNCATION else value
        return seeded_latents(count, self._network.latent_dim, int(seed.value or 0), truncation)

    def _update_samples(self) -> None:
        z = self._latents(int(self._count.value), self._samples_seed)
        while len(self._samples) > len(z):
            self._samples.pop().parent_slot.parent.delete()
        with self._sheet:
            for number in range(len(self._samples), len(z)):
                with ui.element("button").on("click", partial(self._move_sample, number)):
                    self._samples.append(ui.element("img").classes("picture"))
        for number, pixels in enumerate(self._generate(z)):
            widgets.show(self._samples[number], pixels, f"sample {number + 1}")

    def _update_directions(self) -> None:
        seed = self._directions_seed
        z, name = self._start or (self._latents(1, seed), f"seed {int(seed.value or 0)}")
        amounts = [float(slider.value) for slider in self._sliders]
        moved = move(z, self._network.principal[0], amounts)
        original, pixels = self._generate(torch.cat([z, moved]))
        widgets.show(self._original, original)
        widgets.show(self._moved, pixels)
        self._original_name.set_text(f"original: {name}")

    def _update_interpolation(self) -> None:
        first, second = (self._latents(1, seed) for seed in self._seeds)
        position = np.array([float(self._position.value)])
        between = spherical_path(first[0], second[0], position)
        images = self._generate(torch.cat([first, between, second]))
        for element, pixels in zip(self._path, images, strict=True):
            widgets.show(element, pixels)

    def _update_own(self) -> None:
        self._move_own.set_enabled(False)
        if not (self._file and self._network.has_encoder):
            return
        result = self._network.reconstruct(*self._file, self._margin)
        widgets.show(self._input, result.x[0])
        widgets.show(self._output, result.x_recon[0])
        self._error.set_text(
            f"reconstruction: mean absolute error {result.image_errors[0]:.3f} of values in "
            f"[0, 1]; error of the latent {result.latent_errors[0]:.2f}, whose length is "
            f"{result.z[0].norm():.2f}"
        )
        self._encoded = result.z
        self._move_own.set_enabled(True)

    def _take_sketch(self, event: Any) -> None:
        self._file = ("drawing.png", base64.b64decode(event.args.partition(",")[2]))
        self._changed()

    async def _take_upload(self, event: Any) -> None:
        self._file = (event.file.name, await event.file.read())
        event.sender.reset()
        self._changed()

    def _move_sample(self, number: int) -> None:
        z = self._latents(int(self._count.value), self._samples_seed)[number : number + 1]
        self._move(z, f"sample {number + 1} of seed {int(self._samples_seed.value or 0)}")

    def _use_seed(self) -> None:
        self._start = None
        self._changed()

    def _move(self, z: Tensor, name: str) -> None:
        self._start = (z, name)
        self._reset()
        self._tabs.set_value(DIRECTIONS)

    def _reset(self) -> None:
        for slider in self._sliders:
            slider.set_value(0)
