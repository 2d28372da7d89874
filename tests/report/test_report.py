"""The page as it is written: what it says, its gaps, its errors."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from pokegan.metrics.names import metric_name
from tests.conftest import assert_one_sentence, set_params
from tests.report.conftest import SVG
from tests.report.stories import LITE, page, without_scripts
from tests.report.test_latent_space import save_latent_space


def test_a_page_shows_what_is_known_and_asks_nobody(render: Callable[..., Result]) -> None:
    made = render()
    assert made.exit_code == 0, made.output
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
        "parameters of the latent discriminator",
        "44,257",
        "<code>….lr</code></th>\n<td><code>null</code>",
        "epoch 120 · step 480",
        "Not to be compared",
        "<strong>12.5 %</strong> are nearer to a training picture",
        SVG,
    ):
        assert words in page()
    assert "<script>alert(1)" not in page()
    assert set(re.findall(r'(?:src|href)="([^",#]*)', without_scripts())) == {
        "",
        "data:",
        "data:image/webp;base64",
        "grids/aegan.webp",
        "grids/aegan.png",
        "../data/sheet.png",
    }
    assert sorted(p.name for p in Path("r/grids").iterdir()) == [
        "aegan.png",
        "aegan.webp",
        "aegan_progress.png",
        "true.png",
    ]


def test_the_same_bytes_again(render: Callable[..., Result]) -> None:
    def written() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in Path("r").rglob("*") if p.is_file()}

    render()
    first = written()
    render()
    assert written() == first
    assert len(first) == 5


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
def test_a_broken_part_is_named(render: Callable[..., Result], story: Path, name: str) -> None:
    (story / name).write_text("" if name.endswith(".csv") else "{]")
    assert_one_sentence(render(), "reports/aegan cannot be read")
    assert not Path("r/index.html").exists()


@pytest.mark.parametrize("name", ["run.json", "history.csv", "samples.npz"])
def test_without_any_network_there_is_no_page(
    render: Callable[..., Result], story: Path, name: str
) -> None:
    (story / name).unlink()
    assert_one_sentence(render(), f"reports/aegan/{name} is missing; run `dvc repro`")
    assert not Path("r/index.html").exists()


def test_a_network_that_is_not_trained_leaves_a_gap(render: Callable[..., Result]) -> None:
    made = render("dcgan819", "aegan")
    assert made.exit_code == 0, made.output
    assert "Not trained yet: reports/dcgan819/run.json is missing" in page()
    assert not Path("r/grids/dcgan819.png").exists()


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_scores_that_are_not_there_leave_a_gap(
    render: Callable[..., Result], story: Path, kind: str
) -> None:
    other = story.with_name("dcgan819")
    shutil.copytree(story, other)
    (story / f"scores/{LITE}.{kind}").unlink()
    made = render("aegan", "dcgan819")
    assert made.exit_code == 0, made.output
    assert page().count("not scored") == 1
    assert f"aegan: reports/aegan/scores/{LITE}.{kind} is missing" in page()
    shutil.rmtree(other)
    assert render().exit_code == 0
    assert f"No network has been scored by {LITE} yet" in page()


def test_latent_spaces_are_shown_and_lacking_ones_named(
    render: Callable[..., Result], story: Path
) -> None:
    shutil.copytree(story, story.with_name("dcgan819"))
    save_latent_space(story)
    made = render("dcgan819", "aegan")
    assert made.exit_code == 0, made.output
    shown = without_scripts().partition('id="latent"')[2].partition('id="features"')[0]
    assert "Not explored yet: reports/dcgan819/latent_space.npz is missing" in shown
    for words in (
        "aegan: from pictures to latents and back",
        "trained on 12 of the 48 pictures",
        "none of their mirror images was among",
        "<strong>6 of 48</strong> come back nearer",
        "do not undo each other yet",
        "changed by 0.080 on average",
        "at 10° by 25 % of that, at 30° by 50 % of that.",
    ):
        assert words in shown
    assert shown.count("<img") == 2 + 2 + 1 + 1 + 1
    assert set(re.findall(r'id="([^"]*)"', shown)) == {
        "latent-aegan-pictures",
        "latent-aegan-latents",
    }
    (story / "latent_space.npz").write_text("{]")
    assert_one_sentence(render(), "reports/aegan/latent_space.npz cannot be read")


@pytest.mark.parametrize("name", ["reals.npy", "enlarged.npy", "sheet.png"])
def test_a_data_set_that_is_missing_is_named(render: Callable[..., Result], name: str) -> None:
    Path(name).unlink()
    assert_one_sentence(render(), f"{name} is missing", "run `dvc repro`")
    assert not Path("r/index.html").exists()


def test_a_graph_that_is_missing_is_named(render: Callable[..., Result]) -> None:
    Path("pipeline.svg").unlink()
    assert_one_sentence(render(), "pipeline.svg is missing", "git checkout pipeline.svg")
    assert not Path("r/index.html").exists()


def test_a_network_that_is_not_matched_leaves_a_gap(
    render: Callable[..., Result], story: Path
) -> None:
    (story / "copies.npz").unlink()
    made = render()
    assert made.exit_code == 0, made.output
    assert "Not matched yet: reports/aegan/copies.npz is missing" in page()


def test_scores_that_lack_one_are_named(render: Callable[..., Result], story: Path) -> None:
    file = story / f"scores/{LITE}.json"
    scores = json.loads(file.read_text())
    del scores[f"recall_{LITE}_reals"]
    file.write_text(json.dumps(scores))
    assert_one_sentence(render(), "aegan", f"lack 'recall_{LITE}_reals'")


def test_each_network_has_its_own_number_of_pictures(
    render: Callable[..., Result], story: Path
) -> None:
    other = story.with_name("dcgan819")
    shutil.copytree(story, other)
    file = other / f"scores/{LITE}.json"
    file.write_text(file.read_text().replace('"pictures": 24', '"pictures": 17'))
    assert render("aegan", "dcgan819").exit_code == 0
    (cells,) = re.findall(r"pictures a side</th>(.*?)</tr>", page(), flags=re.DOTALL)
    assert re.findall(r"\d+", cells) == ["24", "17"]


@pytest.mark.parametrize("encoders", [["dinov2"], ["inception", LITE]])
def test_other_encoders_are_called_by_their_own_names(
    render: Callable[..., Result], story: Path, encoders: list[str]
) -> None:
    """DINOv2 has no classes; FID stands only where Inception computed it."""
    known = json.loads((story / f"scores/{LITE}.json").read_text())
    curve = pd.read_csv(story / f"scores/{LITE}.csv")
    for encoder in encoders:
        scores = {"encoder_sha256": "0", "pictures": 24, "draws": 3}
        lost = ["cs"] if encoder == "dinov2" else []
        for score in set(curve.columns) - {"epoch", "step", *lost}:
            for kind in ("", "_spread", "_reals"):
                scores[metric_name(score, encoder) + kind] = known[f"{score}_{LITE}{kind}"]
        (story / f"scores/{encoder}.json").write_text(json.dumps(scores))
        curve.drop(columns=lost).to_csv(story / f"scores/{encoder}.csv", index=False)
    set_params(story.parent.parent, {"evaluate.encoders": encoders})
    made = render()
    assert made.exit_code == 0, made.output
    titles = re.findall(r'<th scope="row">([^<]*)</th>', page())
    assert ("FID" in titles) == ("inception" in encoders)
    assert ("classifier score" in titles) == (LITE in encoders)
