"""What trainings and evaluations left behind, as the page shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from pokegan.core.errors import PipelineError
from pokegan.metrics.names import metric_name
from pokegan.report.charts import curves

ENCODERS = {
    "effnet_lite0": "EfficientNet-Lite0",
    "inception": "the Inception network of FID",
    "dinov2": "DINOv2",
}
TITLES = {
    "fd": "Fréchet distance",
    "kd": "kernel distance × 1000",
    "cs": "classifier score",
    "precision": "precision",
    "recall": "recall",
    "near_duplicates": "near-duplicates",
}
INCEPTION_TITLES = {"fd": "FID", "kd": "KID × 1000", "cs": "Inception Score"}
PARAMETERS = "_parameters"


def read_story(folder: Path, encoders: Sequence[str]) -> dict[str, Any]:
    """What a network's training, and its evaluations by ENCODERS, left in FOLDER.

    What is not there is named in "missing"; a network without its training has nothing but that
    and its name. Of an encoder whose scores are not there, scores and curves say nothing.

    Raises:
        PipelineError: a file is broken.
    """
    story: dict[str, Any] = {"name": folder.name, "missing": [], "scores": {}, "curves": {}}
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        history = pd.read_csv(folder / "history.csv")
        with np.load(folder / "samples.npz", allow_pickle=False) as samples:
            epochs, pictures = samples["epochs"], samples["pictures"]
            examples = {key: samples[key] for key in ("true", "seen") if key in samples}
        steps = (epochs * run["steps"] / run["epochs"]).round().astype(int)
        story |= {
            "run": run,
            "history": history,
            "epochs": epochs,
            "pictures": pictures,
            "examples": examples,
            "moments": [
                f"epoch {epoch:.4g} · step {step:,}"
                for epoch, step in zip(epochs, steps, strict=True)
            ],
            "duration": duration(run["seconds"]),
            "parameters": {
                key.removesuffix(PARAMETERS).replace("_", " "): count
                for key, count in run.items()
                if key.endswith(PARAMETERS)
            },
            # Networks stand side by side: there "….lr" is each one's own, "lr" the shared one.
            "settings": {
                re.sub(rf"^{re.escape(folder.name)}\.", "….", key): value
                for key, value in run["params"].items()
            },
            "facts": {key: value for key, value in run.items() if key != "params"},
        }
    except FileNotFoundError as fault:
        story["missing"].append(fault.filename)
        return story
    except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(f"{folder} cannot be read ({fault}); run `dvc repro`.") from fault
    for encoder in encoders:
        file = folder / "scores" / encoder
        try:
            scores = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            story["curves"][encoder] = pd.read_csv(file.with_suffix(".csv"))
            story["scores"][encoder] = scores
        except FileNotFoundError as fault:
            story["missing"].append(fault.filename)
        except (ValueError, OSError) as fault:
            raise PipelineError(f"{folder} cannot be read ({fault}); run `dvc repro`.") from fault
    return story


def scores_by(
    encoder: str, networks: Sequence[dict[str, Any]], colours: dict[str, str]
) -> dict[str, Any]:
    """The scores by ENCODER of those NETWORKS that have them: a table's cells, charts with floors.

    Kernel distances are shown a thousandfold, as papers do.

    Raises:
        PipelineError: a network's scores lack one.
    """
    scored = [network for network in networks if encoder in network["scores"]]
    known = {**TITLES, **(INCEPTION_TITLES if encoder == "inception" else {})}
    titles = {
        score: title
        for score, title in known.items()
        if any(score in network["curves"][encoder] for network in scored)
    }
    told: dict[str, Any] = {"cells": {}, "protocol": {}, "legacy": {}}
    drawn, truths = {}, {}
    for network in scored:
        name = network["name"]
        scores, curve = network["scores"][encoder], network["curves"][encoder]
        try:
            cells = {
                score: [
                    scores[f"{metric_name(score, encoder)}{kind}"] * (1000 if score == "kd" else 1)
                    for kind in ("", "_spread", "_reals")
                ]
                for score in titles
            }
            drawn[name] = curve.assign(kd=curve["kd"] * 1000)[["epoch", *titles]]
            told["protocol"][name] = {
                key: scores[key] for key in ("pictures", "draws", "encoder_sha256")
            }
        except KeyError as fault:
            raise PipelineError(
                f"{name}: the scores by {encoder} lack {fault}; "
                f"run `dvc repro -f -s evaluate_{name}@{encoder}`."
            ) from fault
        told["cells"][name] = cells
        truths[name] = {score: cell[2] for score, cell in cells.items()}
        legacy = {key: value for key, value in scores.items() if key.startswith("legacy")}
        if legacy:
            told["legacy"][name] = legacy
    charts = curves(f"scores-{encoder}", drawn, titles, colours, truths)
    return {"name": encoder, "title": ENCODERS[encoder], "titles": titles, "charts": charts, **told}


def duration(seconds: float) -> str:
    """SECONDS as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
