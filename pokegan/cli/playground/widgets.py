"""Parts of the playground's page: sliders, seeds, images, a canvas to draw on."""

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from nicegui import ui

from pokegan.core.grids import to_image

EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
COLORS = {
    "black": "#1d2129",
    "red": "#d33f49",
    "orange": "#f2a541",
    "yellow": "#f7dd4b",
    "green": "#4f9d4f",
    "blue": "#3a7bd5",
    "violet": "#8a5fbf",
    "white": "#ffffff",
}


def slider(
    name: str,
    scale: tuple[float, float, float],
    value: float,
    label: Callable[[float], str],
    on_change: Callable[[], None],
) -> Any:
    """Add a slider with minimum, maximum and step of `scale`; `label` formats its value."""
    low, high, step = scale
    with ui.element("div").classes("slider"):
        with ui.element("div").classes("names"):
            ui.label(name)
            shown = ui.label()
        element = ui.slider(min=low, max=high, step=step, value=value, on_change=on_change)
        element.props(f'aria-label="{name}"')
        # The thumb must not jump back to the value that a busy server answers with.
        element.LOOPBACK = element.props["loopback"] = False
        shown.bind_text_from(element, "value", label)
    return element


def seed_field(name: str, value: int, on_change: Callable[[], None]) -> Any:
    """Add a field for a seed."""
    return ui.number(name, value=value, min=0, precision=0, step=1, on_change=on_change)


def image(name: str, caption: str) -> tuple[Any, Any]:
    """Add an empty image; return it and the label of its caption."""
    with ui.element("figure"):
        element = ui.element("img").classes("picture").props(f'src="{EMPTY}" alt="{name}"')
        with ui.element("figcaption"):
            return element, ui.label(caption)


def show(element: Any, pixels: np.ndarray, name: str | None = None) -> None:
    """Show pixels (H, W, 3) uint8 in an image, under a new name if there is one."""
    stream = BytesIO()
    to_image(pixels).save(stream, format="PNG")
    element.props["src"] = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    if name:
        element.props["alt"] = name


def sketch(on_drawn: Callable[[Any], None]) -> None:
    """Add a canvas to draw on, with pens; `on_drawn` gets an event with a data URL per stroke."""
    canvas = ui.element("canvas").classes("picture")
    canvas.props('width=256 height=256 role=img aria-label="canvas"')
    for event in ("pointerdown", "pointermove"):
        canvas.on(event, js_handler="(event) => sketch(event)")
    canvas.on("pointerup", on_drawn, js_handler="(event) => emit(event.target.toDataURL())")
    with ui.row():
        for name, color in COLORS.items():
            pen = ui.element("button").classes("pen").style(f"background: {color}")
            pen.props(f'aria-label="{name}"')
            pen.on("click", js_handler=f"() => {{ pen.color = '{color}' }}")
        clear = ui.button("Clear").props("outline no-caps dense")
        clear.on("click", js_handler="() => clearSketch()")


def show_error(sentence: str) -> None:
    """Show an error in a notification."""
    ui.notify(sentence, type="negative", multi_line=True)
