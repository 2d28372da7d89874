from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Stage, assert_one_sentence

LITE = "effnet_lite0"


@pytest.fixture
def story(workspace: Path, drawings: np.ndarray) -> Path:
    folder = workspace / "reports" / "aegan"
    folder.mkdir(parents=True)
    samples = np.stack([drawings[:16], drawings[16:32]])
    np.savez(folder / "samples.npz", epochs=np.array([0.5, 1.0]), pictures=samples)
    header = "epoch,step,discriminator_loss,generator_loss,d_real,d_fake\n"
    (folder / "history.csv").write_text(header + "0.5,2,1.4,0.8,0.5,0.5\n1,4,1.2,1.1,0.6,0.4\n")
    facts = {
        "params": {"lr": 0.0002, "note": "<script>alert(1)</script>"},
        "pictures": 48,
        "epochs": 1.0,
        "steps": 4,
        "seconds": 100.0,
        "pictures_per_second": 2.0,
        "device_name": "a processor",
        "precision": "fp32",
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
    rows = [{"epoch": epoch, "step": 4 * epoch, **figures} for epoch in (0.5, 1.0)]
    pd.DataFrame(rows).to_csv(folder / f"scores/{LITE}.csv", index=False)
    np.save(workspace / "reals.npy", drawings)
    return folder


def test_a_page_shows_what_is_known_and_asks_nobody(stage: Stage, story: Path) -> None:
    made = stage("report", "r/index.html", "r/grids", "reports/aegan", "--reals", "reals.npy")
    assert made.exit_code == 0, made.output
    page = Path("r/index.html").read_text()
    for words in (
        "123.4",
        "± 2.5",
        "true: 61.7",
        "1250.0",
        "567.8",
        "1.7 min",
        "0123456789",
        "a processor, fp32",
        "+ changes",
    ):
        assert words in page
    assert "<script>alert(1)" not in page
    body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert set(re.findall(r'(?:src|href)="([^",]*)', body)) == {"data:", "data:image/png;base64"}
    assert sorted(p.name for p in Path("r/grids").iterdir()) == [
        "aegan.png",
        "aegan_progress.png",
        "true.png",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "scores/effnet_lite0.json",
        "scores/effnet_lite0.csv",
        "history.csv",
        "samples.npz",
    ],
)
def test_a_missing_or_broken_part_is_named(stage: Stage, story: Path, name: str) -> None:
    arguments = ("r/index.html", "r/grids", "reports/aegan", "--reals", "reals.npy")
    (story / name).write_text("" if name.endswith(".csv") else "{]")
    assert_one_sentence(stage("report", *arguments), "reports/aegan cannot be read")
    (story / name).unlink()
    assert_one_sentence(stage("report", *arguments), f"{name} is missing; run `dvc repro`")
    assert not Path("r/index.html").exists()


def test_scores_that_lack_one_are_named(stage: Stage, story: Path) -> None:
    file = story / f"scores/{LITE}.json"
    scores = json.loads(file.read_text())
    del scores[f"recall_{LITE}_reals"]
    file.write_text(json.dumps(scores))
    made = stage("report", "r/index.html", "r/grids", "reports/aegan", "--reals", "reals.npy")
    assert_one_sentence(made, "aegan", f"lack 'recall_{LITE}_reals'")
