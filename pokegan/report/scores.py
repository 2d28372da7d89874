"""Scores and losses of the networks, as curves over the training and as a table."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pokegan.core.files import read_json, reading
from pokegan.core.params import digest
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
    scored = [network for network in networks if f"sha256_{encoder}" in network.scores]
    keys = {score: metric_name(score, encoder) for score in TITLES}
    titles = {
        score: title
        for score, title in (TITLES | (INCEPTION_TITLES if encoder == "inception" else {})).items()
        if any(keys[score] in network.scores for network in scored)
    }
    cells, infinity, tables, real = {}, {}, {}, {}
    for network in scored:
        name, values = network.name, network.scores
        with reading(network.folder / "scores.*"):
            cells[name] = {
                score: [
                    values[keys[score] + kind] * (1000 if score == "kd" else 1)
                    for kind in ("", "_spread", "_reals")
                ]
                for score in titles
            }
            infinity[name] = values[metric_name("fd_infinity", encoder)]
            curve = network.curves.rename(columns={key: score for score, key in keys.items()})
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


def trainings(
    folder: Path, networks: Sequence[NetworkResults], encoders: Sequence[str]
) -> dict[str, dict[str, tuple[int, float, float]]]:
    """Return encoder → network → number, mean and deviation of Fréchet distances over trainings.

    The folder holds results of trainings (.json). Those with the parameters of the present one, the
    seed aside, count; networks with fewer than two of them are left out.
    """
    found: dict[str, dict[str, tuple[int, float, float]]] = {name: {} for name in encoders}
    results = {file: read_json(file) for file in sorted(folder.glob("*.json"))}
    for network in networks:
        params = digest(network.run["params"])
        for encoder in encoders:
            key, distances = metric_name("fd", encoder), []
            for file, values in results.items():
                with reading(file):
                    same = values["network"] == network.name and values["params_md5"] == params
                    distances += [values[key]] if same and key in values else []
            if len(distances) > 1:
                found[encoder][network.name] = len(distances), mean(distances), stdev(distances)
    return found
