"""Curves as Vega-Lite specifications, and the script that draws them without a network."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import vl_convert

# The page decides about light and dark; a chart only follows its text.
INK = "currentColor"
# Okabe & Ito's palette: told apart by colour-blind eyes too, on white and on black.
COLOURS = ["#0072B2", "#E69F00", "#009E73"]


def curves(
    histories: dict[str, pd.DataFrame],
    measures: dict[str, str],
    truths: dict[str, dict[str, float]] | None = None,
) -> dict[str, Any]:
    """One panel a measure, one line a network, over epochs; values on hover.

    MEASURES maps a column of the histories to its title; TRUTHS, network → column → value, become
    dashed lines. The epoch axis is logarithmic, since networks train for very different numbers
    of epochs.
    """
    long = pd.concat(
        history[["epoch", *measures]]
        .melt("epoch", var_name="measure", value_name="value")
        .assign(network=name)
        for name, history in histories.items()
    )
    colour = alt.Color(
        "network:N",
        scale=alt.Scale(domain=list(histories), range=COLOURS),
        legend=alt.Legend(title=None, orient="top"),
    )
    panels: list[Any] = []
    for column, title in measures.items():
        value = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
        lines = (
            alt.Chart(long[long["measure"] == column])
            .mark_line(point={"size": 18}, strokeWidth=1.6)
            .encode(
                x=alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="log", nice=False)),
                y=value,
                color=colour,
                tooltip=[
                    alt.Tooltip("network:N"),
                    alt.Tooltip("epoch:Q", format=".2f"),
                    alt.Tooltip("value:Q", title=title, format=".3f"),
                ],
            )
        )
        panel: Any = lines
        if truths:
            rows = [{"network": name, "value": each[column]} for name, each in truths.items()]
            dashes = (
                alt.Chart(pd.DataFrame(rows))
                .mark_rule(strokeDash=[5, 4], strokeWidth=1.4, opacity=0.8)
                .encode(
                    y=value,
                    color=colour,
                    tooltip=[
                        alt.Tooltip("network:N", title="true pictures of"),
                        alt.Tooltip("value:Q", title=title, format=".3f"),
                    ],
                )
            )
            panel = alt.layer(dashes, lines)
        panels.append(panel.properties(width=410, height=210))
    chart: alt.ConcatChart = (
        alt.concat(*panels, columns=2)
        .configure(background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=INK, domainColor=INK, tickColor=INK,
            gridColor=INK, gridOpacity=0.12, domainOpacity=0.4, tickOpacity=0.4,
        )
        .configure_legend(labelColor=INK)
    )  # fmt: skip
    specification: dict[str, Any] = chart.to_dict()
    return specification


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script for a self-contained page."""
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return bundle
