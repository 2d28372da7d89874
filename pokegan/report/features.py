"""Features of the discriminators: filters, and a classification of types."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pokegan.core.grids import grid
from pokegan.report.animation import data_uri, downscale
from pokegan.report.results import ENCODERS

COLUMNS = 8
FILTER_SIZE = 24  # pixels: smaller filters are enlarged towards it
TITLES = {
    "commonest": "majority class",
    "shape": "silhouette",
    "pixels": "raw pixels",
    "colour": "color histogram",
}
SCORES = ("accuracy", "balanced_accuracy", "water_auc")


def discriminator_features(inspection: dict[str, Any]) -> dict[str, Any]:
    """Return the first filters of a discriminator, before and after its training, and scores."""
    filters = {kind: inspection[f"filters_{kind}"] for kind in ("untrained", "trained")}
    return {
        **inspection["discriminator"],
        "shown": len(filters["trained"]),
        "side": filters["trained"].shape[1],
        "sheets": {kind: filter_sheet(each) for kind, each in filters.items()},
    }


def filter_sheet(filters: np.ndarray) -> str:
    """Arrange filters (F, K, K, 3) in one data URI, small ones enlarged."""
    factor = max(1, FILTER_SIZE // filters.shape[1])
    enlarged = filters.repeat(factor, axis=1).repeat(factor, axis=2)
    return data_uri(grid(downscale(enlarged), COLUMNS))


def classification(
    types: Mapping[str, Any], discriminators: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of the table: other features, untrained discriminators, trained ones.

    Networks of the same shape have the same initial weights, and share a row.

    Args:
        types: facts of stages/classify_types.py.
        discriminators: network → what `discriminator_features` returns.
    """
    titles = {**TITLES, "encoder": ENCODERS.get(types.get("encoder", ""), "encoder")}
    rows = [_row(title, kind, types) for kind, title in titles.items()]
    untrained: dict[tuple[float, ...], list[str]] = {}
    for name, facts in discriminators.items():
        scores = tuple(_row("", "untrained", facts)["scores"].values())
        untrained.setdefault(scores, []).append(name)
    shared = len(untrained) == 1 and len(discriminators) > 1
    for names in untrained.values():
        title = "discriminator, untrained" if shared else f"{', '.join(names)}, untrained"
        rows.append(_row(title, "untrained", discriminators[names[0]]))
    rows += [_row(name, "trained", facts) for name, facts in discriminators.items()]
    return [row for row in rows if row["scores"]]


def _row(title: str, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    keys = {score: f"{kind}_{score}" for score in SCORES}
    scores = {
        score: (facts[key], facts[f"{key}_spread"]) for score, key in keys.items() if key in facts
    }
    return {"title": title, "kind": kind, "scores": scores}
