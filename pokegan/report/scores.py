"""Scores and losses of the networks, as curves over the training and as a table."""

from collections.abc import Sequence
from typing import Any

from pokegan.core.files import reading
from pokegan.metrics.names import metric_name
from pokegan.report.charts import curves
from pokegan.report.results import ENCODERS, NetworkResults

TRAINING_TITLES = {
    "discriminator_loss": "discriminator loss",
    "generator_loss": "generator loss",
    "d_real": "D(x)",
    "d_fake": "D(G(z))",
    "diversity": "diversity of the samples",
}
TITLES = {
    "fd": "Fréchet distance",
    "kd": "kernel distance × 1000",
    "cs": "classifier score",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "near_duplicates": "near-duplicates",
}
INCEPTION_TITLES = {"fd": "FID", "kd": "KID × 1000", "cs": "Inception Score"}


def encoder_scores(
    encoder: str, networks: Sequence[NetworkResults], colors: dict[str, str]
) -> dict[str, Any]:
    """Return the charts and the cells of the table for one encoder.

    Kernel distances are multiplied by 1000, as in publications.
    """
    scored = [network for network in networks if encoder in network.scores]
    titles = {
        score: title
        for score, title in (TITLES | (INCEPTION_TITLES if encoder == "inception" else {})).items()
        if any(score in network.scores[encoder][1] for network in scored)
    }
    cells, infinity, tables, real = {}, {}, {}, {}
    for network in scored:
        name, (values, curve) = network.name, network.scores[encoder]
        with reading(network.folder / f"scores/{encoder}.*"):
            cells[name] = {
                score: [
                    values[metric_name(score, encoder) + kind] * (1000 if score == "kd" else 1)
                    for kind in ("", "_spread", "_reals")
                ]
                for score in titles
            }
            infinity[name] = values[metric_name("fd_infinity", encoder)]
            tables[name] = curve.assign(kd=curve["kd"] * 1000)[["epoch", *titles]]
        real[name] = {score: cell[2] for score, cell in cells[name].items()}
    return {
        "name": encoder,
        "title": ENCODERS.get(encoder, encoder),
        "titles": titles,
        "cells": cells,
        "infinity": infinity,
        "charts": curves(tables, titles, colors, real),
    }
