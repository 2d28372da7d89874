from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.scoring.names import full_name
from tests.conftest import Stage, assert_one_sentence, set_params

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
    curve = {kind: figures[f"{kind}_{LITE}"] for kind in kinds}
    rows = [{"epoch": epoch, "step": 4 * epoch, **curve} for epoch in (0.5, 1.0)]
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


def test_each_network_has_its_own_number_of_pictures(stage: Stage, story: Path) -> None:
    other = story.with_name("dcgan819")
    shutil.copytree(story, other)
    file = other / f"scores/{LITE}.json"
    file.write_text(file.read_text().replace('"pictures": 24', '"pictures": 17'))
    names = ("reports/aegan", "reports/dcgan819")
    assert stage("report", "r/index.html", "r/grids", *names, "--reals", "reals.npy").exit_code == 0
    cells = re.findall(
        r'<td>(\w+)</td><td class="number">(\d+)</td>', Path("r/index.html").read_text()
    )
    assert cells == [("aegan", "24"), ("dcgan819", "17")]


@pytest.mark.parametrize("encoders", [["dinov2"], ["inception", LITE]])
def test_other_encoders_are_called_by_their_own_names(
    stage: Stage, story: Path, encoders: list[str]
) -> None:
    """DINOv2 has no classes; FID stands only where Inception computed it."""
    known = json.loads((story / f"scores/{LITE}.json").read_text())
    curve = pd.read_csv(story / f"scores/{LITE}.csv")
    for encoder in encoders:
        scores = {"encoder_sha256": "0", "pictures": 24, "draws": 3}
        lost = ["cs"] if encoder == "dinov2" else []
        for score in set(curve.columns) - {"epoch", "step", *lost}:
            for kind in ("", "_spread", "_reals"):
                scores[full_name(score, encoder) + kind] = known[f"{score}_{LITE}{kind}"]
        (story / f"scores/{encoder}.json").write_text(json.dumps(scores))
        curve.drop(columns=lost).to_csv(story / f"scores/{encoder}.csv", index=False)
    set_params(story.parent.parent, {"evaluate.encoders": encoders})
    made = stage("report", "r/index.html", "r/grids", "reports/aegan", "--reals", "reals.npy")
    assert made.exit_code == 0, made.output
    page = Path("r/index.html").read_text()
    titles = re.findall(r'<th class="number">([^<]*)</th>', page)
    assert ("FID" in titles) == ("inception" in encoders)
    assert ("classifier score" in titles) == (LITE in encoders)
