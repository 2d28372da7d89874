"""The page of a small network, rendered from what its stages left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from pokegan.core.grids import grid, to_image
from tests.conftest import Stage
from tests.report.stories import LITE, save_copies, save_probe, save_types

SVG = '<svg class="pipeline" width="50" height="20"><text>download</text></svg>'


@pytest.fixture
def story(workspace: Path, drawings: np.ndarray) -> Path:
    folder = workspace / "reports" / "aegan"
    folder.mkdir(parents=True)
    samples = np.stack([drawings[:16], drawings[16:32], drawings[32:]])
    np.savez(folder / "samples.npz", epochs=np.array([50.0, 100.0, 120.0]), pictures=samples)
    header = "epoch,step,discriminator_loss,generator_loss,d_real,d_fake,diversity\n"
    rows = "60,240,1.4,0.8,0.5,0.5,0.1\n120,480,1.2,1.1,0.6,0.4,0.3\n"
    (folder / "history.csv").write_text(header + rows)
    facts = {
        "params": {"lr": 0.0002, "aegan.lr": None, "note": "<script>alert(1)</script>"},
        "pictures": 48,
        "epochs": 120.0,
        "steps": 480,
        "seconds": 100.0,
        "pictures_per_second": 2.0,
        "device_name": "a processor",
        "precision": "fp32",
        "latent_discriminator_parameters": 44257,
        "git_commit": "0123456789abcdef",
        "git_dirty": True,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    scores: dict[str, object] = {"encoder": LITE, "encoder_sha256": "57934424beef"}
    scores |= {"pictures": 24, "draws": 3, "legacy_128_fd_effnet_lite0": 567.8}
    kinds = ("fd", "kd", "cs", "precision", "recall", "near_duplicates")
    figures = {f"{kind}_{LITE}": 0.25 + number for number, kind in enumerate(kinds)}
    figures[f"fd_{LITE}"] = 123.44
    for key, value in figures.items():
        scores |= {key: value, f"{key}_spread": 2.5, f"{key}_reals": value / 2}
    (folder / "scores").mkdir()
    (folder / f"scores/{LITE}.json").write_text(json.dumps(scores))
    curve = {kind: figures[f"{kind}_{LITE}"] for kind in kinds}
    told = [{"epoch": epoch, "step": 4 * epoch, **curve} for epoch in (60, 120)]
    pd.DataFrame(told).to_csv(folder / f"scores/{LITE}.csv", index=False)
    save_copies(folder, drawings)
    save_probe(folder)
    save_types(folder.parent / "types.json")
    (workspace / "pipeline.svg").write_text(SVG)
    np.save(workspace / "reals.npy", drawings)
    np.save(workspace / "enlarged.npy", np.concatenate([drawings] * 3))
    to_image(grid(drawings, 8)).save(workspace / "sheet.png")
    return folder


@pytest.fixture
def render(stage: Stage, story: Path) -> Callable[..., Result]:
    """Render r/index.html and r/grids from NAMES, the networks' folders below reports/."""

    def call(*names: str) -> Result:
        told = [f"reports/{name}" for name in names or ("aegan",)]
        data = ("--reals", "reals.npy", "--sheet", "sheet.png", "--enlarged", "enlarged.npy")
        data += ("--types", "reports/types.json", "reports/types.npz", "--pipeline", "pipeline.svg")
        return stage("report", "r/index.html", "r/grids", *told, *data)

    return call
