"""Curves as Vega-Lite specifications, and the script that draws them without a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

# The page decides about light and dark; a chart only follows its text.
INK = "currentColor"
# Okabe & Ito's palette: told apart by colour-blind eyes too, on white and on black.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
HEIGHT = 200  # pixels
# Told apart without colour, too: the first is solid.
DASHES = [[1, 0], [7, 4], [2, 3], [9, 3, 2, 3]]
POINTS = 51
SHARES = np.linspace(0, 1, POINTS).round(3)
# More points than these would hide their line.
FEW = 40


def palette(networks: Iterable[str]) -> dict[str, str]:
    """A colour for each of NETWORKS, by their order."""
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(networks)}


def curves(
    place: str,
    histories: dict[str, pd.DataFrame],
    measures: dict[str, str],
    colours: dict[str, str],
    truths: dict[str, dict[str, float]] | None = None,
) -> dict[str, dict[str, Any]]:
    """A chart for each of MEASURES: its title, and a specification as wide as its place.

    By the ids of their places, which begin with PLACE. MEASURES maps a column of HISTORIES to its
    title; a chart has a line for each network that has the column, over epochs, and values on
    hover. TRUTHS, network → column → value, become dashed lines. The epoch axis is logarithmic,
    since networks train for very different numbers of epochs.
    """
    charts = {}
    for column, title in measures.items():
        told = {name: each for name, each in histories.items() if column in each}
        if told:
            rows = pd.concat(
                each[["epoch", column]].set_axis(["epoch", "value"], axis=1).assign(network=name)
                for name, each in told.items()
            ).dropna()
            real = {name: truths[name][column] for name in told} if truths else {}
            charts[f"{place}-{column}"] = {
                "title": title,
                "specification": chart(title, rows, colours, real),
            }
    return charts


def chart(
    title: str, rows: pd.DataFrame, colours: dict[str, str], truths: dict[str, float]
) -> dict[str, Any]:
    """The Vega-Lite specification of ROWS (epoch, value, network), TRUTHS as dashed lines."""
    value = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    colour = alt.Color("network:N", scale=scale, legend=None)
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="log", nice=False)),
        y=value,
        color=colour,
    )
    layers = [base.mark_line(strokeWidth=1.8)]
    if rows.groupby("network").size().max() <= FEW:
        layers.append(base.mark_point(filled=True, opacity=1, size=30))
    # Larger than what is seen: fingers and tired hands meet it too.
    hovered = alt.selection_point(on="pointerover", clear="pointerout", empty=False)
    halos = base.mark_point(filled=True, size=250).encode(
        opacity=alt.condition(hovered, alt.value(0.4), alt.value(0)),
        tooltip=[
            alt.Tooltip("network:N"),
            alt.Tooltip("epoch:Q", format=".4~g"),
            alt.Tooltip("value:Q", title=title, format=".3f"),
        ],
    )
    layers.append(halos.add_params(hovered))
    if truths:
        floor = pd.DataFrame({"network": list(truths), "value": list(truths.values())})
        dashes = alt.Chart(floor).mark_rule(strokeDash=[5, 4], strokeWidth=1.6, opacity=0.85)
        layers.insert(
            0,
            dashes.encode(
                y=value,
                color=colour,
                tooltip=[
                    alt.Tooltip("network:N", title="true pictures of"),
                    alt.Tooltip("value:Q", title=title, format=".3f"),
                ],
            ),
        )
    return finished(alt.layer(*layers), f"{title} over epochs")


def shares(
    curves: dict[str, np.ndarray], axis: str, colour: str, mark: float | None = None
) -> dict[str, Any]:
    """The share (up) of each of CURVES, name → values (N,), that is no greater than x (AXIS).

    The first is in COLOUR, the others are in ink with DASHES; infinite values are not drawn. MARK
    is a value that a line stands at.
    """
    rows = pd.concat(
        pd.DataFrame({"of": name, "share": SHARES, "value": np.quantile(finite, SHARES).round(4)})
        for name, values in curves.items()
        if len(finite := values[np.isfinite(values)])
    )
    names = list(curves)
    inks = [colour, *[INK] * (len(names) - 1)]
    line = alt.Chart(rows).encode(
        x=alt.X("value:Q", title=axis, scale=alt.Scale(zero=False)),
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("of:N", scale=alt.Scale(domain=names, range=inks), legend=None),
        strokeDash=alt.StrokeDash(
            "of:N", scale=alt.Scale(domain=names, range=DASHES[: len(names)]), legend=None
        ),
    )
    halos = line.mark_point(filled=True, size=250, opacity=0).encode(
        tooltip=[
            alt.Tooltip("of:N", title="what"),
            alt.Tooltip("share:Q", format=".0%"),
            alt.Tooltip("value:Q", title=axis, format=".3~g"),
        ]
    )
    layers = [line.mark_line(strokeWidth=1.8), halos]
    if mark is not None:
        rule = alt.Chart(pd.DataFrame({"value": [mark]})).mark_rule(strokeDash=DASHES[1], color=INK)
        layers.insert(0, rule.encode(x="value:Q"))
    return finished(alt.layer(*layers), f"Shares of {', '.join(names)} by {axis}")


def finished(drawn: alt.TopLevelMixin, description: str) -> dict[str, Any]:
    """The specification of the chart DRAWN, as wide as its place and in the page's ink."""
    drawn = (
        drawn.properties(width="container", height=HEIGHT, description=description)
        .configure(background="transparent", font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=INK, domainColor=INK, tickColor=INK,
            gridColor=INK, gridOpacity=0.12, domainOpacity=0.4, tickOpacity=0.4,
        )
    )  # fmt: skip
    specification: dict[str, Any] = drawn.to_dict()
    return specification


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script for a self-contained page."""
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return bundle
