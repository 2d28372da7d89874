"""The drawing of the stages' graph."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest
import yaml
from click.testing import CliRunner

from stages.pictures.charts import palette
from stages.pipeline import HEIGHT, WIDTH, drawn, path, pipeline
from tests.conftest import ROOT, assert_one_sentence

NAME = "{http://www.w3.org/2000/svg}"
GANS = ("dcgan819", "dcgan14000", "aegan")


@pytest.fixture
def svg(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(pipeline)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_committed_drawing_is_of_this_pipeline(svg: str) -> None:
    assert svg == (ROOT / "docs/pipeline.svg").read_text(), "make parameters renews it"


def test_every_stage_is_a_box_in_its_networks_colour(svg: str) -> None:
    boxes = ElementTree.fromstring(svg).findall(f"{NAME}g")
    names = ["_".join(each.text or "" for each in box.findall(f"{NAME}text")) for box in boxes]
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert sorted(names) == sorted(stages)
    colours = palette(GANS)
    for name, box in zip(names, boxes, strict=True):
        rectangle = box.find(f"{NAME}rect")
        assert rectangle is not None
        colour = colours.get(name.partition("_")[2])
        assert rectangle.get("style") == (f"stroke: {colour}" if colour else None)


def test_boxes_lie_apart_and_in_their_order() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("alone", "together")]
    drawing = drawn(nx.DiGraph(edges))
    assert set(drawing.boxes) == {"a", "b", "c", "d", "alone", "together"}
    assert len(drawing.lines) == len(edges)
    for before, after in edges:
        assert drawing.boxes[after][0] >= drawing.boxes[before][0] + WIDTH
    corners = list(drawing.boxes.values())
    for number, (x, y) in enumerate(corners):
        assert 0 <= x <= drawing.width - WIDTH
        assert 0 <= y <= drawing.height - HEIGHT
        for left, top in corners[:number]:
            assert abs(x - left) >= WIDTH or abs(y - top) >= HEIGHT
    for line in drawing.lines:
        numbers = [float(each) for each in re.findall(r"-?\d+", line)]
        assert all(-1 <= x <= drawing.width for x in numbers[::2])


def test_a_path_is_level_at_its_points() -> None:
    assert path([(0, 5), (10, 25), (20, 25)]) == "M0,5 C5,5 5,25 10,25 C15,25 15,25 20,25"


def test_without_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(CliRunner().invoke(pipeline), "DVC cannot read the pipeline")
