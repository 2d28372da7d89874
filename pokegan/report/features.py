"""What the discriminators learnt, as the page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.grids import grid
from pokegan.report.animation import at_most, data_uri
from pokegan.report.stories import ENCODERS
from pokegan.report.types import scores_of

COLUMNS = 8
ENLARGED = 24  # pixels: a filter on the page, at least
TITLES = {
    "shape": "shape alone",
    "pixels": "raw pixels",
    "colour": "colour alone",
}


def read_features(stories: Sequence[Path], types: Mapping[str, Any]) -> dict[str, Any]:
    """What the probes of discriminators left in STORIES, beside what TYPES tells of other features.

    "networks": filters and scores of each; "rows": of a table, a row a kind of features; "best":
    the row with the highest accuracy; "missing": files that are not there.

    Raises:
        PipelineError: a file is broken.
    """
    told: dict[str, Any] = {"networks": [], "missing": []}
    for folder in stories:
        try:
            told["networks"].append(read_probe(folder))
        except FileNotFoundError as fault:
            told["missing"].append(fault.filename)
    encoder = ENCODERS.get(types["facts"].get("encoder"), "the encoder")
    titles = {"commonest": "no picture at all", **TITLES, "encoder": encoder}
    rows = [
        {"title": titles[kind], "kind": kind, **types["scores"][kind]}
        for kind in sorted(types["scores"], key=list(titles).index)
    ]
    rows += before_and_after(told["networks"])
    best = max(rows, key=lambda row: float(row["accuracy"]), default=None)
    return told | {"rows": rows, "best": best}


def read_probe(folder: Path) -> dict[str, Any]:
    """What the probe of a network left in FOLDER.

    Raises:
        FileNotFoundError: it has not been probed.
        PipelineError: a file is broken.
    """
    try:
        facts = json.loads((folder / "probe.json").read_text(encoding="utf-8"))
        with np.load(folder / "filters.npz", allow_pickle=False) as stored:
            filters = {kind: stored[kind] for kind in ("trained", "untrained")}
        return {
            "name": folder.name,
            "likeness": float(facts["filters_likeness"]),
            "count": facts["filters"],
            "shown": len(filters["trained"]),
            "side": filters["trained"].shape[1],
            "filters": {kind: sheet(each) for kind, each in filters.items()},
            "scores": {kind: scores_of(kind, facts) for kind in (*filters, "gain")},
            "facts": facts,
        }
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(
            f"{folder} cannot be read ({fault}); run `dvc repro -f probe_{folder.name}`."
        ) from fault


def sheet(filters: np.ndarray) -> str:
    """FILTERS (F, K, K, 3) side by side, small ones enlarged."""
    factor = max(1, ENLARGED // filters.shape[1])
    enlarged = filters.repeat(factor, axis=1).repeat(factor, axis=2)
    return data_uri(grid(at_most(enlarged), COLUMNS))


def before_and_after(networks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the NETWORKS that were scored: before their training, then after it.

    Networks of the same shape begin with the same weights, and share their first row.
    """
    scored = [network for network in networks if network["scores"]["trained"]]
    before: dict[tuple[float, ...], list[str]] = {}
    for network in scored:
        scores = tuple(network["scores"]["untrained"].values())
        before.setdefault(scores, []).append(network["name"])
    rows = []
    for names in before.values():
        (own, *_) = (each for each in scored if each["name"] in names)
        alone = len(before) == 1 and len(scored) > 1
        title = "discriminator, untrained" if alone else f"{', '.join(names)} untrained"
        rows.append({"title": title, "kind": "untrained", **own["scores"]["untrained"]})
    return rows + [
        {"title": each["name"], "kind": "trained", **each["scores"]["trained"]} for each in scored
    ]
