"""The parts of the page about discriminators and types, from files as the stages write them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from stages.errors import PipelineError
from stages.pictures.features import read_features
from stages.pictures.types import read_types

ENCODER = "effnet_lite0"
SPREAD = {"accuracy_spread": 0.01, "balanced_accuracy_spread": 0.02, "water_auc_spread": 0.03}
FACTS = {
    "pictures": 120, "types": 2, "families": 60, "folds": 5,
    "pictures_of_rare_types": 3, "pictures_without_type": 4,
}  # fmt: skip


def scores(kind: str, accuracy: float, water: bool = True) -> dict[str, float]:
    told = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2, "water_auc": 0.75, **SPREAD}
    kept = {name: value for name, value in told.items() if water or "water" not in name}
    return {f"{kind}_{name}": value for name, value in kept.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """types/ as after a contrast: two types to tell apart, and a third with too few families."""
    folder = tmp_path / "types"
    folder.mkdir()
    told: dict[str, Any] = {**FACTS, "commonest": "Water", **scores("commonest", 0.51, water=False)}
    for kind, accuracy in (("colour", 0.81), ("shape", 0.52), ("pixels", 0.6), ("encoder", 0.7)):
        told |= scores(kind, accuracy)
    (folder / f"{ENCODER}.json").write_text(json.dumps(told))
    np.savez(
        folder / f"{ENCODER}.npz",
        names=np.array(["Water", "Fire", "Ice"]),
        counts=np.array([70, 50, 3]),
        colours=np.array([[0, 16, 255], [255, 0, 0], [9, 9, 9]], np.uint8),
        means=np.full((3, 32, 32, 3), 200, np.uint8),
        silhouettes=np.full((3, 32, 32), 100, np.uint8),
        told_by_colour=np.array([0.9, 0.68, np.nan]),
    )
    return folder


@pytest.fixture
def stories(tmp_path: Path) -> list[Path]:
    """reports/ of two networks that were probed; both began with the same weights."""
    folders = [tmp_path / name for name in ("dcgan819", "aegan")]
    for number, story in enumerate(folders):
        story.mkdir()
        told = {"network": story.name, **FACTS, "filters_likeness": 0.5 + number / 4}
        told |= scores("trained", 0.66 + number / 10) | scores("untrained", 0.55)
        told |= scores("gain", 0.11 + number / 10)
        (story / "probe.json").write_text(json.dumps(told))
        filters = np.full((64, 4, 4, 3), 50 + number, np.uint8)
        np.savez(story / "filters.npz", trained=filters, untrained=filters)
    return folders


def rendered(folder: Path | None, stories: list[Path]) -> str:
    """Both parts, one line a paragraph."""
    types = read_types(folder, ENCODER, 64)
    features = read_features(stories, types, "EfficientNet-Lite0", 64)
    environment = Environment(
        loader=PackageLoader("stages", "pictures"), autoescape=True, undefined=StrictUndefined
    )
    told = {"types": types, "features": features, "colours": {"dcgan819": "#0072B2"}}
    names = ("features.html.j2", "types.html.j2")
    page = "".join(environment.get_template(name).render(told) for name in names)
    return " ".join(page.replace("&nbsp;", " ").split())


def test_a_row_for_each_kind_of_features(folder: Path, stories: list[Path]) -> None:
    page = rendered(folder, stories)
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
        "Most is told by <strong>colour alone</strong>: 81.0 %",
        "dcgan819 +11.0 ± 1.0, aegan +21.0 ± 1.0.",
        "beginning: 0.50.",
        "Always saying Water is right in 51.0 %",
        "wrong about 19 % of the pictures",
        "told: 90 %",
        "too few",
        "background: #0010ff",
        "3 pictures are of types",
        "Of 4 pictures",
    ):
        assert words in page


def test_networks_that_began_differently_have_rows_of_their_own(
    folder: Path, stories: list[Path]
) -> None:
    file = stories[1] / "probe.json"
    file.write_text(
        file.read_text().replace('"untrained_accuracy": 0.55', '"untrained_accuracy": 0.5')
    )
    page = rendered(folder, stories)
    assert "dcgan819 untrained" in page
    assert "aegan untrained" in page


def test_without_water_nobody_asks_for_it(folder: Path, stories: list[Path]) -> None:
    for file in (folder / f"{ENCODER}.json", *(story / "probe.json" for story in stories)):
        told = json.loads(file.read_text())
        kept = {key: value for key, value in told.items() if "water" not in key}
        file.write_text(
            json.dumps({**kept, **({"commonest": "Fire"} if "commonest" in kept else {})})
        )
    page = rendered(folder, stories)
    assert "water or not" not in page
    assert "ROC" not in page


def test_too_few_pictures_leave_a_gap(folder: Path, stories: list[Path]) -> None:
    for file in (folder / f"{ENCODER}.json", *(story / "probe.json" for story in stories)):
        told = json.loads(file.read_text())
        kept = {key: value for key, value in told.items() if not isinstance(value, float)}
        file.write_text(json.dumps({**kept, "types": 0, "filters_likeness": 1.0}))
    np.savez(
        folder / f"{ENCODER}.npz",
        **{
            key: value
            for key, value in np.load(folder / f"{ENCODER}.npz").items()
            if not key.startswith("told")
        },
    )
    page = rendered(folder, stories)
    assert "at least two types with 5 evolution lines each" in page
    assert "too few pictures of known types to tell them apart" in page
    assert page.count('class="filters"') == 4


def test_a_data_set_without_types_leaves_a_gap(folder: Path, stories: list[Path]) -> None:
    empty = {key: value[:0] for key, value in np.load(folder / f"{ENCODER}.npz").items()}
    np.savez(folder / f"{ENCODER}.npz", **empty)
    (folder / f"{ENCODER}.json").write_text(json.dumps({**FACTS, "pictures": 0}))
    assert "their names tell no national number" in rendered(folder, stories)


@pytest.mark.parametrize("missing", ["types", "probes", "both"])
def test_what_is_not_there_leaves_a_gap(folder: Path, stories: list[Path], missing: str) -> None:
    if missing != "probes":
        (folder / f"{ENCODER}.npz").unlink()
    if missing != "types":
        for story in stories:
            (story / "probe.json").unlink()
    page = rendered(folder, stories)
    assert (f"{folder}/{ENCODER}.npz is missing; <code>dvc repro</code>" in page) == (
        missing != "probes"
    )
    assert ("probe.json is missing; <code>dvc repro</code>" in page) == (missing != "types")
    assert ("aegan</th>" in page or ">aegan <span" in page) == (missing == "types")
    assert ("colour alone" in page) == (missing == "probes")
    assert "reports/types/effnet_lite0.json is missing" in rendered(None, stories)


@pytest.mark.parametrize("name", [f"types/{ENCODER}.json", f"types/{ENCODER}.npz"])
def test_broken_types_are_named(folder: Path, name: str) -> None:
    (folder.parent / name).write_text("{]")
    with pytest.raises(PipelineError, match=r"types cannot be read .*dvc repro -f contrast@effnet"):
        read_types(folder, ENCODER, 64)


@pytest.mark.parametrize("name", ["probe.json", "filters.npz"])
def test_broken_probes_are_named(folder: Path, stories: list[Path], name: str) -> None:
    (stories[1] / name).write_text("{]")
    with pytest.raises(PipelineError, match=r"aegan cannot be read .*dvc repro -f probe_aegan"):
        read_features(stories, read_types(folder, ENCODER, 64), "", 64)
