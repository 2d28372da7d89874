"""Ablations by real DVC, on a pipeline whose one stage is arithmetic."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from pokegan.cli.ablation import ablation
from pokegan.report.ablations import RESULTS
from tests.cli.conftest import make_arithmetic
from tests.conftest import assert_one_sentence, run, succeed

STAGE = """\
import json
from pathlib import Path
import numpy as np
from pokegan.core.params import read_params

params = read_params("seed", "dcgan819")
width, mirror = params["dcgan819"].width, params["dcgan819"].mirror
folder = Path("reports/networks/dcgan819")
folder.mkdir(parents=True, exist_ok=True)
distance = width + params.seed + 100 * mirror
scores = {"pictures": 8, "fd_effnet_lite0": float(distance), "fd_effnet_lite0_reals": 1.0}
scores |= {f"{key}_effnet_lite0": 0.5 for key in ("precision", "recall", "near_duplicates")}
(folder / "scores.json").write_text(json.dumps(scores))
facts = {"seconds": 120.0, "pictures_per_second": 10.0, "epochs": 2.0, "pictures": 600}
facts |= {"device_name": "a processor", "threads": 1, "precision": "fp32", "torch": "2.0"}
facts["params"] = {"seed": params.seed, "dcgan819.width": width}
(folder / "run.json").write_text(json.dumps(facts))
np.savez(folder / "samples.npz", pictures=np.full((2, 20, 8, 8, 3), width, np.uint8))
"""
STAGES = """\
stages:
  evaluate:
    foreach: [dcgan819]
    do:
      cmd: python -m stages.arithmetic
      deps: [stages/arithmetic.py]
      params: [seed, dcgan819]
      outs: ["reports/networks/${item}/samples.npz"]
      metrics:
        - reports/networks/${item}/scores.json: {cache: false}
      plots:
        - reports/networks/${item}/run.json: {cache: false}
"""
ROWS = [
    {"name": "wide", "title": "wide", "network": "dcgan819", "seeds": [1, 2, 3],
     "overrides": {"dcgan819.width": 20}},
    {"name": "narrow", "title": "narrow", "network": "dcgan819", "seeds": [1],
     "overrides": {"dcgan819.width": 10}, "question": "Is less better?", "baseline": "wide",
     "meaning": "It is."},
]  # fmt: skip
Ablation = Callable[..., Result]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distance of an experiment is its width plus its seed, and 100 more with mirroring."""
    return make_arithmetic(tmp_path_factory.mktemp("ablation"), STAGE, STAGES)


@pytest.fixture
def call(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Ablation:
    """Run an ablation in the repository: ``call("wide", rows=[…])``."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def call(*names: str, **changes: Any) -> Result:
        content = {"name": "a", "encoder": "effnet_lite0", "page": "docs/a.md", "title": "Widths"}
        content |= {"introduction": "Two widths.", "rows": ROWS, **changes}
        Path("a.yaml").write_text(yaml.safe_dump(content))
        return CliRunner().invoke(ablation, ["a.yaml", *names])

    return call


def experiments(repository: Path) -> set[str]:
    return set(run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split())


@pytest.mark.slow
def test_rows_are_experiments_whose_results_are_kept(call: Ablation, repository: Path) -> None:
    succeed(call("narrow"))
    assert experiments(repository) == {"a-narrow-1"}
    assert "docs/a.md: 1 of 2 rows" in call("narrow").output
    succeed(call())
    assert experiments(repository) == {"a-narrow-1", "a-wide-1", "a-wide-2", "a-wide-3"}
    result = json.loads((RESULTS / "a/wide-2.json").read_text())
    assert (result["seed"], result["fd_effnet_lite0"], result["pictures_seen"]) == (2, 22, 1200)
    assert (RESULTS / "a/wide-1.webp").is_file()
    page = Path("docs/a.md").read_text()
    assert "| wide | 3 | 1,200 | 2.0 | 22.0 ± 1.0 | 1.0 | 0.50 ± 0.00 |" in page
    assert "| narrow | 1 | 1,200 | 2.0 | 11.0 | **-11.0** | 1.0 | 0.50 |" in page
    # The t distribution with two degrees of freedom: 4.303 · √(1 + 1/3).
    assert "(±5.0 for wide)" in page
    assert page.index("## Is less better?") < page.index("- **narrow**: It is.")
    assert "![Samples](../reports/ablations/a/wide-1.webp)" in page
    assert "8 pictures per side" in page
    # The command of the page gives the same result.
    run("dvc", "exp", "remove", "a-narrow-1", cwd=repository)
    (line,) = [each for each in page.splitlines() if "--name a-narrow-1" in each]
    run(*line.split(), cwd=repository)
    # Results that came with a clone need no experiment, others come from one that exists.
    for name in ("a-narrow-1", "a-wide-1"):
        run("dvc", "exp", "remove", name, cwd=repository)
    (RESULTS / "a/wide-3.json").unlink()
    succeed(call())
    assert experiments(repository) == {"a-wide-2", "a-wide-3"}
    assert (RESULTS / "a/wide-3.json").is_file()
    # A changed row is computed again.
    succeed(call(rows=[{**ROWS[1], "overrides": {"dcgan819.width": 30}}]))
    assert json.loads((RESULTS / "a/narrow-1.json").read_text())["fd_effnet_lite0"] == 31
    # Missing results come from today's params.yaml, not from an experiment that ran before.
    (RESULTS / "a/wide-2.json").unlink()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["dcgan819"]["mirror"] = True
    Path("params.yaml").write_text(yaml.safe_dump(params))
    succeed(call("wide"))
    assert json.loads((RESULTS / "a/wide-2.json").read_text())["fd_effnet_lite0"] == 122


@pytest.mark.parametrize(
    ("names", "changes", "words"),
    [
        (["tall"], {}, ["a.yaml has no row 'tall'", "wide, narrow"]),
        ([], {"rows": []}, ["a.yaml: rows"]),
        ([], {"rows": [{**ROWS[0], "network": "gan"}]}, ["network is 'gan'", "dcgan819"]),
        ([], {"rows": [{**ROWS[0], "overrides": {"width": 3}}]}, ["width is not a parameter"]),
        ([], {"page": "a.html"}, ["page"]),
    ],
)
def test_mistakes_in_a_file_are_one_sentence(
    call: Ablation, names: list[str], changes: dict[str, Any], words: list[str]
) -> None:
    assert_one_sentence(call(*names, **changes), *words)
