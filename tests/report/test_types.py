"""The parts of the page about discriminators and types, from files as the stages write them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pokegan.core.errors import PipelineError
from pokegan.report.features import read_features
from pokegan.report.templates import template
from pokegan.report.types import read_types
from tests.report.stories import FACTS, save_probe, save_types


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_types(tmp_path / "types.json")
    return tmp_path / "types.json"


@pytest.fixture
def stories(tmp_path: Path) -> list[Path]:
    """reports/ of two networks that were probed; both began with the same weights."""
    folders = [tmp_path / name for name in ("dcgan819", "aegan")]
    for number, story in enumerate(folders):
        save_probe(story, number)
    return folders


def rendered(file: Path | None, stories: list[Path]) -> str:
    """Both parts, one line a paragraph."""
    types = read_types(file and (file, file.with_suffix(".npz")))
    features = read_features(stories, types)
    told = {"types": types, "features": features, "colours": {"dcgan819": "#0072B2"}}
    names = ("features.html.j2", "types.html.j2")
    page = "".join(template(name).render(told) for name in names)
    return " ".join(page.replace("&nbsp;", " ").split())


def test_a_row_for_each_kind_of_features(file: Path, stories: list[Path]) -> None:
    page = rendered(file, stories)
    rows = re.findall(r'<th scope="row">([^<]*?) <span.*?<strong>([\d.]+) %', page)
    assert rows == [
        ("no picture at all", "51.0"),
        ("shape alone", "52.0"),
        ("raw pixels", "60.0"),
        ("colour alone", "81.0"),
        ("EfficientNet-Lite0", "70.0"),
        ("discriminator, untrained", "55.0"),
        ("dcgan819", "66.0"),
        ("aegan", "76.0"),
    ]
    for words in (
        "The highest share is that of <strong>colour alone</strong>: 81.0 %",
        "dcgan819 +11.0 ± 1.0, aegan +21.0 ± 1.0.",
        "beginning: 0.50.",
        "Always saying Water is right in 51.0 %",
        "wrong about 19 % of the held-out pictures",
        "told: 90 %",
        "<figcaption>too few</figcaption>",
        "64 of 96 filters of 4×4",
        "background: #0010ff",
        "3 pictures are of types",
        "Of 4 pictures",
    ):
        assert words in page


def test_networks_that_began_differently_have_rows_of_their_own(
    file: Path, stories: list[Path]
) -> None:
    probe = stories[1] / "probe.json"
    probe.write_text(
        probe.read_text().replace('"untrained_accuracy": 0.55', '"untrained_accuracy": 0.5')
    )
    page = rendered(file, stories)
    assert "dcgan819 untrained" in page
    assert "aegan untrained" in page


def test_without_water_nobody_asks_for_it(file: Path, stories: list[Path]) -> None:
    for each in (file, *(story / "probe.json" for story in stories)):
        told = json.loads(each.read_text())
        kept = {key: value for key, value in told.items() if "water" not in key}
        each.write_text(
            json.dumps({**kept, **({"commonest": "Fire"} if "commonest" in kept else {})})
        )
    page = rendered(file, stories)
    assert "water or not" not in page
    assert "ROC" not in page


def test_too_few_pictures_leave_a_gap(file: Path, stories: list[Path]) -> None:
    for each in (file, *(story / "probe.json" for story in stories)):
        told = json.loads(each.read_text())
        kept = {key: value for key, value in told.items() if not isinstance(value, float)}
        each.write_text(json.dumps({**kept, "types": 0, "filters_likeness": 1.0}))
    np.savez(
        file.with_suffix(".npz"),
        **{
            key: value
            for key, value in np.load(file.with_suffix(".npz")).items()
            if not key.startswith("told")
        },
    )
    page = rendered(file, stories)
    assert "at least two types with 5 evolution lines each" in page
    assert "too few pictures of known types to tell them apart" in page
    assert page.count('class="filters"') == 4


def test_a_data_set_without_types_leaves_a_gap(file: Path, stories: list[Path]) -> None:
    empty = {key: value[:0] for key, value in np.load(file.with_suffix(".npz")).items()}
    np.savez(file.with_suffix(".npz"), **empty)
    file.write_text(json.dumps({**FACTS, "pictures": 0}))
    assert "their names tell no national number" in rendered(file, stories)


@pytest.mark.parametrize("missing", ["types", "probes", "both"])
def test_what_is_not_there_leaves_a_gap(file: Path, stories: list[Path], missing: str) -> None:
    if missing != "probes":
        file.with_suffix(".npz").unlink()
    if missing != "types":
        for story in stories:
            (story / "probe.json").unlink()
    page = rendered(file, stories)
    assert (f"{file.with_suffix('.npz')} is missing; <code>dvc repro</code>" in page) == (
        missing != "probes"
    )
    assert ("probe.json is missing; <code>dvc repro</code>" in page) == (missing != "types")
    assert ("aegan</th>" in page or ">aegan <span" in page) == (missing == "types")
    assert ("colour alone" in page) == (missing == "probes")
    assert "reports/types.json is missing" in rendered(None, stories)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_broken_types_are_named(file: Path, suffix: str) -> None:
    file.with_suffix(suffix).write_text("{]")
    with pytest.raises(PipelineError, match=r"types.json cannot be read .*dvc repro -f contrast"):
        read_types((file, file.with_suffix(".npz")))


@pytest.mark.parametrize("name", ["probe.json", "filters.npz"])
def test_broken_probes_are_named(file: Path, stories: list[Path], name: str) -> None:
    (stories[1] / name).write_text("{]")
    with pytest.raises(PipelineError, match=r"aegan cannot be read .*dvc repro -f probe_aegan"):
        read_features(stories, read_types(None))
