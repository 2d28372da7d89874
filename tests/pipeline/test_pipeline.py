"""The real DVC graph on the real pictures, with tiny networks, in a temporary repository.

One repository lives through the whole module; the tests stand in the order of its life.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import (
    ROOT,
    Stage,
    assert_one_sentence,
    commit,
    make_repository,
    run,
    set_params,
)

GANS = ("dcgan819", "dcgan14000", "aegan")
ENCODER = "effnet_lite0"
ENCODED = {f"encode_{name}@{ENCODER}" for name in ("pokemon819", "pokemon14000")}
INDEXED = {f"index_{name}" for name in ("pokemon2457", "pokemon14000")}
MATCHED = {f"match_{gan}" for gan in GANS}
EVALUATED = {f"evaluate_{gan}@{ENCODER}" for gan in GANS}
EXPLORED = {f"explore_{gan}" for gan in GANS}
PROBED = {f"probe_{gan}" for gan in GANS}
STAGES = [
    "download",
    "prepare_pokemon819",
    "prepare_pokemon14000",
    "augment",
    "label",
    *(f"train_{gan}" for gan in GANS),
    *sorted(ENCODED),
    *sorted(EVALUATED),
    *sorted(INDEXED),
    *sorted(MATCHED),
    *sorted(EXPLORED),
    "contrast",
    *sorted(PROBED),
    "report",
]
# They carry values and errors, or tell people and MLflow what happens; no result depends on them.
NO_DEPENDENCIES = {
    "stages/__init__.py",
    "stages/checkpoint.py",
    "stages/drawing.py",
    "stages/errors.py",
    "stages/executions.py",
    "stages/experiments.py",
    "stages/interruption.py",
    "stages/models.py",
    "stages/outputs.py",
    "stages/params.py",
    "stages/progress.py",
    "stages/provenance.py",
    "stages/restoring.py",
    "stages/scoring/published.py",
    "stages/served.py",
    "stages/store.py",
    "stages/teller.py",
    "stages/tracking.py",
    "stages/turns.py",
}
# Facts of one run: machine, time, commit. They differ each time, and so does the page with them.
FACTS = {"reports/index.html"} | {
    f"reports/{gan}/{name}" for gan in GANS for name in ("run.json", "history.csv")
}
TIMES = ["seconds", "pictures_per_second"]

# Python imports this by itself: each stage notes at its end which of our modules it has used.
SPY = """
import atexit, json, os, pathlib, sys
def note():
    stage, here = os.environ.get("DVC_STAGE"), pathlib.Path.cwd()
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    ours = sorted({pathlib.Path(f).relative_to(here).as_posix() for f in files
                   if f and pathlib.Path(f).is_relative_to(here / "stages")})
    if stage and ours:
        pathlib.Path(os.environ["SPY"], stage).write_text(json.dumps(ours))
atexit.register(note)
"""


def pipeline(repository: Path = ROOT) -> dict[str, dict[str, Any]]:
    """dvc.yaml's stages, those for each encoder written out."""
    stages = {}
    for name, stage in yaml.safe_load((repository / "dvc.yaml").read_text())["stages"].items():
        if "do" in stage:
            assert stage["foreach"] == "${evaluate.encoders}"
            written = json.loads(json.dumps(stage["do"]).replace("${item}", ENCODER))
            stages[f"{name}@{ENCODER}"] = written
        else:
            first = json.dumps(stage).replace("${evaluate.encoders[0]}", ENCODER)
            stages[name] = json.loads(first)
    for stage in stages.values():
        kept = stage.pop("metrics", []) + stage.pop("plots", [])
        stage["outs"] = stage.get("outs", []) + kept
    return stages


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '([\w@]+)'", output)


def locked(repository: Path) -> dict[str, str]:
    """Output → md5, for every output that must not differ from run to run."""
    lock = yaml.safe_load((repository / "dvc.lock").read_text())
    return {
        out["path"]: out["md5"]
        for stage in lock["stages"].values()
        for out in stage["outs"]
        if out["path"] not in FACTS
    }


def histories(repository: Path) -> list[pd.DataFrame]:
    """What must be the same in the histories."""
    return [
        pd.read_csv(repository / f"reports/{gan}/history.csv").drop(columns=TIMES) for gan in GANS
    ]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def modules(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The first `dvc repro`, spied upon: stage → files below stages/ that it imported."""
    spy = tmp_path_factory.mktemp("spy")
    (spy / "sitecustomize.py").write_text(SPY)
    result = run("dvc", "repro", cwd=repository, PYTHONPATH=str(spy), SPY=str(spy))
    assert sorted(ran(result.stdout)) == sorted(STAGES)
    assert "leaked" not in result.stderr
    commit(repository, "ran")
    return {stage: set(json.loads((spy / stage).read_text())) for stage in STAGES}


def test_everything_is_there(repository: Path, modules: object) -> None:
    sets = {"pokemon819": 40, "pokemon14000": 72, "pokemon2457": 120}
    for name, count in sets.items():
        assert np.load(repository / f"data/{name}.npy").shape == (count, 32, 32, 3)
    for gan in GANS:
        history = pd.read_csv(repository / f"reports/{gan}/history.csv")
        assert history["epoch"].iloc[-1] == 1
        assert history["step"].is_monotonic_increasing
        assert np.isfinite(history.to_numpy()).all()
        scores = json.loads((repository / f"reports/{gan}/scores/{ENCODER}.json").read_text())
        assert scores["pictures"] == 8
        assert scores["fd_effnet_lite0"] > scores["fd_effnet_lite0_reals"] > 0
        curve = pd.read_csv(repository / f"reports/{gan}/scores/{ENCODER}.csv")
        assert curve["epoch"].iloc[-1] == 1
        assert len(curve) == 2
        assert curve["fd"].iloc[-1] == scores["fd_effnet_lite0"]
        with np.load(repository / f"reports/{gan}/latent_space.npz") as explored:
            assert explored["paths"].shape == (6, 8, 32, 32, 3)
            assert ("picture_errors" in explored) == (gan == "aegan")
        with np.load(repository / f"reports/{gan}/filters.npz") as filters:
            assert filters["trained"].shape == (4, 4, 4, 3)
            assert (filters["trained"] != filters["untrained"]).any()
    back = json.loads((repository / "reports/aegan/reconstruction.json").read_text())
    assert back["pictures"] == back["trained_on"] == 40
    labels = pd.read_csv(repository / "data/pokemon819_types.csv")
    assert labels["first_type"].head(9).tolist() == ["Grass"] * 3 + ["Fire"] * 3 + ["Water"] * 3
    assert labels["family"].head(9).tolist() == [1] * 3 + [4] * 3 + [7] * 3
    contrasted = json.loads((repository / "reports/types.json").read_text())
    assert contrasted["pictures_without_type"] == 0
    grids = {path.name for path in (repository / "reports/grids").iterdir()}
    kinds = (".png", ".webp", "_progress.png")
    assert grids == {"true.png"} | {f"{gan}{kind}" for gan in GANS for kind in kinds}


def test_dvc_draws_every_plot(repository: Path, modules: object, tmp_path: Path) -> None:
    shown = run("dvc", "plots", "show", "--out", str(tmp_path), cwd=repository)
    assert "failed to load" not in shown.stdout + shown.stderr
    assert len(list(tmp_path.rglob("*.png"))) == 2 * len(GANS) + 1


def test_all_templates_are_dependencies_of_the_page() -> None:
    templates = (ROOT / "stages/pictures").glob("*.html.j2")
    assert {f"stages/pictures/{each.name}" for each in templates} <= set(
        pipeline()["report"]["deps"]
    )


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_imports_is_what_it_declares(stage: str, modules: dict[str, set[str]]) -> None:
    declared = set(pipeline()[stage]["deps"])
    code = {name for name in declared if name.endswith(".py")}
    exempt = NO_DEPENDENCIES | {name for name in modules[stage] if name.endswith("__init__.py")}
    if stage.startswith("train"):
        exempt.add("stages/pictures/grids.py")  # only for the pictures that MLflow is shown
    assert modules[stage] - exempt <= code
    others = {"stages/sources/folder.py", "stages/sources/git.py", "stages/sources/kaggle.py"}
    assert code <= modules[stage] | (others if stage == "download" else set())


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_reads_is_what_it_declares(stage: str) -> None:
    """Parameters: the call of read_params. Files: the paths on the command line."""
    declared = pipeline()[stage]
    words = declared["cmd"].split()
    assert words[:2] == ["python", "-m"]
    script = Path(words[2].replace(".", "/") + ".py")
    (call,) = [
        node
        for node in ast.walk(ast.parse((ROOT / script).read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_params"
    ]
    read = {a.value if isinstance(a, ast.Constant) else words[3] for a in call.args}
    assert read == set(declared.get("params", []))

    named = {word for word in words[3:] if "/" in word}
    outs = {out if isinstance(out, str) else next(iter(out)) for out in declared["outs"]}
    data = {dep for dep in declared["deps"] if not dep.startswith("stages/")}
    for path in outs | data:
        assert any(path == word or path.startswith(f"{word}/") for word in named), path
    for word in named:
        assert any(path == word or path.startswith(f"{word}/") for path in outs | data), word
    assert script.as_posix() in declared["deps"]
    assert declared["desc"]


def test_a_second_run_runs_nothing(repository: Path, modules: object) -> None:
    assert ran(run("dvc", "repro", cwd=repository).stdout) == []
    assert "up to date" in run("dvc", "status", cwd=repository).stdout


def test_the_runs_are_in_mlflow(
    repository: Path, modules: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is where `mlflow ui`, started in the root without flags, looks for it."""
    monkeypatch.chdir(repository)
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (repository / "mlartifacts").as_uri()
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == sorted(STAGES)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    trained = runs["train_aegan"]
    tags = trained.data.tags
    assert (tags["device"], tags["precision"], tags["dvc.exp"]) == ("cpu", "fp32", "")
    assert {"torch", "python", "generator_parameters", "dvc.fingerprint", "host"} <= tags.keys()
    assert tags["git_dirty"] == "False"
    (data_set,) = trained.inputs.dataset_inputs
    assert data_set.dataset.name == "pokemon14000"
    assert trained.data.metrics["pictures_per_second"] > 0
    assert trained.data.params["aegan.latent_dim"] == "8"
    assert trained.data.params["lr"] == "0.0002"
    assert len(client.get_metric_history(trained.info.run_id, "generator_loss")) == 2
    head = run("git", "rev-list", "--max-parents=0", "HEAD", cwd=repository).stdout.strip()
    assert trained.data.tags["git_commit"] == head
    pictures = [a.path for a in client.list_artifacts(trained.info.run_id, "images")]
    assert len([path for path in pictures if path.endswith(".png")]) == 2
    evaluated = runs[f"evaluate_aegan@{ENCODER}"]
    assert evaluated.data.metrics["fd_effnet_lite0_reals"] > 0
    curve = client.get_metric_history(evaluated.info.run_id, "fd_effnet_lite0")
    assert [point.step for point in curve] == [3, 6]


def test_every_stage_gives_the_same_bytes_again(repository: Path, modules: object) -> None:
    first, told = locked(repository), histories(repository)
    result = run("dvc", "repro", "--force", "--no-run-cache", cwd=repository)
    assert sorted(ran(result.stdout)) == sorted(STAGES)
    assert locked(repository) == first
    for before, after in zip(told, histories(repository), strict=True):
        pd.testing.assert_frame_equal(before, after)
    run("git", "checkout", "-q", ".", cwd=repository)
    run("dvc", "checkout", "-q", cwd=repository)


def test_a_report_is_the_same_bytes_again(repository: Path, modules: object) -> None:
    page = (repository / "reports/index.html").read_bytes()
    run("dvc", "repro", "--force", "--no-run-cache", "-s", "report", cwd=repository)
    assert (repository / "reports/index.html").read_bytes() == page


def downstream(*gans: str) -> set[str]:
    alike = ("train_{}", "match_{}", "explore_{}", "probe_{}")
    kinds = (*alike, "evaluate_{}@" + ENCODER)
    return {kind.format(gan) for kind in kinds for gan in gans} | {"report"}


# tests/test_affected.py asks the same of every parameter, with a stand-in for what stages do.
@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ("aegan.lr=0.001", downstream("aegan")),
        ("evaluate.draws=3", EVALUATED | {"report"}),
    ],
)
def test_an_experiment_reruns_what_is_affected_and_nothing_else(
    repository: Path, modules: object, change: str, stages: set[str]
) -> None:
    result = run("dvc", "exp", "run", "-S", change, cwd=repository)
    assert set(ran(result.stdout)) == stages
    run("git", "checkout", "-q", ".", cwd=repository)
    run("dvc", "checkout", "-q", cwd=repository)


def test_an_experiment_gone_back_to_runs_nothing(repository: Path, modules: object) -> None:
    """DVC has its outputs, those in git too; MLflow shows it once, as it ran."""
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan").experiment_id
    of = "params.`aegan.lr` = '0.001' AND tags.`dvc.stage` = 'train_aegan'"
    before = client.search_runs([experiment], of)
    result = run("dvc", "exp", "run", "-S", "aegan.lr=0.001", cwd=repository)
    assert ran(result.stdout) == []
    assert result.stdout.count("is cached - skipping run") >= 3
    record = json.loads((repository / "reports/aegan/run.json").read_text())
    assert record["params"]["aegan.lr"] == 0.001
    run("python", "-m", "pokegan.cli.sync", cwd=repository)
    after = client.search_runs([experiment], of)
    assert [each.info.run_id for each in after] == [each.info.run_id for each in before]
    assert len(after) == 1
    run("git", "checkout", "-q", ".", cwd=repository)
    run("dvc", "checkout", "-q", cwd=repository)


def test_another_encoder_leaves_what_the_first_computed(repository: Path, modules: object) -> None:
    set_params(repository, {"evaluate.encoders": [ENCODER, "inception"]})
    # A dry run ends where the first of the new files is missing; by then the old ones were passed.
    dry = run("dvc", "repro", "--dry", "--keep-going", cwd=repository, check=False)
    run("git", "checkout", "-q", ".", cwd=repository)
    added = {stage.replace(ENCODER, "inception") for stage in ENCODED}
    assert set(ran(dry.stdout)) == added
    passed = set(re.findall(r"Stage '([\w@]+)' didn't change", dry.stdout))
    assert passed == set(STAGES) - {"report"}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("stages/tracking.py", set()),
        ("stages/progress.py", set()),
        ("stages/pictures/charts.py", {"report"}),
        ("stages/scoring/resemblance.py", INDEXED | MATCHED | {"report"}),
        (
            "stages/scoring/encoding.py",
            ENCODED | EVALUATED | INDEXED | MATCHED | {"contrast", "report"},
        ),
        ("stages/scoring/probing.py", PROBED | {"contrast", "report"}),
        ("stages/scoring/distances.py", EVALUATED | {"report"}),
        ("stages/scoring/encoders/inception.py", set()),
        ("stages/gan/latent_space.py", EXPLORED | {"report"}),
        ("stages/gan/aegan.py", downstream("aegan")),
    ],
)
def test_a_change_of_code_reaches_only_what_depends_on_it(
    repository: Path, modules: object, file: str, stages: set[str]
) -> None:
    with (repository / file).open("a") as code:
        code.write("# a remark\n")
    status = json.loads(run("dvc", "status", "--json", cwd=repository).stdout)
    touched = {s for s, changes in status.items() if file in json.dumps(changes)}
    assert touched == {s for s in stages if file in pipeline()[s]["deps"]}
    planned = re.findall(
        r"[Rr]unning stage '([\w@]+)'", run("dvc", "repro", "--dry", cwd=repository).stdout
    )
    assert set(planned) <= stages
    assert touched <= set(planned)
    run("git", "checkout", "-q", ".", cwd=repository)


def fails(repository: Path, *command: str, **params: Any) -> str:
    """Run COMMAND with PARAMS; it must fail, say one sentence, and lose nothing."""
    before = locked(repository)
    set_params(repository, params)
    result = run(*command, cwd=repository, check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr + result.stdout
    (sentence,) = re.findall(r"^Error: .*$", result.stderr, flags=re.MULTILINE)
    run("git", "checkout", "-q", "params.yaml", cwd=repository)
    assert locked(repository) == before
    run("dvc", "checkout", "-q", cwd=repository)
    return str(sentence)


def test_a_batch_larger_than_the_set_is_named(repository: Path, modules: object) -> None:
    sentence = fails(repository, "dvc", "repro", "train_dcgan819", **{"dcgan819.batch_size": 121})
    assert "dcgan819.batch_size is 121" in sentence
    assert "data/pokemon2457.npy holds only 120 pictures" in sentence


def test_a_bad_parameter_is_named(repository: Path, modules: object) -> None:
    sentence = fails(repository, "dvc", "repro", "train_aegan", **{"aegan.betas": [0.5, 2]})
    assert "params.yaml: aegan.betas.1 is 2" in sentence


def test_a_key_that_is_not_there_is_named(repository: Path, modules: object) -> None:
    """By DVC itself; and by us where DVC was told to add it."""
    change = ("dvc", "exp", "run", "train_dcgan819", "-S")
    refused = run(*change, "dcgan819.latent=3", cwd=repository, check=False)
    assert refused.returncode != 0
    assert "Could not override 'dcgan819.latent'" in refused.stderr
    sentence = fails(repository, *change, "+dcgan819.latent=3")
    assert "params.yaml: dcgan819.latent is not a known key" in sentence


def test_what_python_leaves_about_changes_nothing(repository: Path, modules: object) -> None:
    run("git", "checkout", "-q", ".", cwd=repository)
    run("dvc", "checkout", "-q", cwd=repository)
    for folder in ("stages", "models/dcgan819", "reports/dcgan819/scores", "reports/grids"):
        (repository / folder / "__pycache__").mkdir(exist_ok=True)
        (repository / folder / "__pycache__" / "stray.pyc").write_bytes(b"stray")
    assert "up to date" in run("dvc", "status", cwd=repository).stdout
    assert ran(run("dvc", "repro", cwd=repository).stdout) == []


def test_a_stage_out_of_order_is_named(stage: Stage) -> None:
    for name, arguments, missing in (
        ("prepare", "pokemon819 data/raw/pictures.zip a b c", "data/raw/pictures.zip"),
        ("augment", "data/pokemon819.npy b c", "data/pokemon819.npy"),
        ("train", "aegan data/pokemon14000.npy b c", "data/pokemon14000.npy"),
        ("encode", f"{ENCODER} data/pokemon14000.npy b", "data/pokemon14000.npy"),
        ("evaluate", f"aegan {ENCODER} data/a.npz b c", "data/a.npz"),
        ("index", f"{ENCODER} data/pokemon2457.npy b c", "data/pokemon2457.npy"),
        ("match", f"aegan {ENCODER} data/pokemon14000.npy b c d e", "data/pokemon14000.npy"),
        ("label", "data/pokemon819.csv b", "data/pokemon819.csv"),
        ("contrast", f"{ENCODER} data/pokemon819.npy b c d", "data/pokemon819.npy"),
        ("probe", "aegan data/pokemon819.npy b c d e", "data/pokemon819.npy"),
        ("report", "a.html b reports/aegan --reals data/pokemon819.npy", "reports/aegan/run.json"),
    ):
        result = stage(name, *arguments.split())
        assert_one_sentence(result, f"{missing} is missing; run `dvc repro`")
