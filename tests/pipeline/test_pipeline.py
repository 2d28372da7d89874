"""The real DVC graph on real pictures with tiny networks, in one temporary repository.

The tests stand in the order of the repository's life and share it; each leaves it clean.
"""

import json
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from dvc.repo import Repo

from pokegan.core.params import load_yaml, read_networks
from pokegan.core.schema import FAMILIES
from tests.conftest import (
    NETWORKS,
    ROOT,
    commit,
    make_repository,
    run,
    set_params,
    succeed,
)
from tests.pipeline.conftest import FACTS, SPY, TIMES, imported_units, ran, stages, words
from tests.tracking.toy import images, runs, store

pytestmark = pytest.mark.slow
LEFT_OUT = "dcgan14000"  # a run of one network less takes less time
FIRST = {name: each for name, each in NETWORKS.items() if name != LEFT_OUT}
ALL = stages()
STAGES = {name: each for name, each in ALL.items() if LEFT_OUT not in name}
GRIDS = {"real.png", "pokemon819.png", "pokemon14000.png"} | {
    f"{network}{kind}.png" for network in FIRST for kind in ("", "_progress")
}


def of_family(*families: str) -> set[str]:
    return {name for name in STAGES if name.partition("@")[0] in families}


def changed(repository: Path) -> set[str]:
    """The stages whose own dependencies or outputs differ from dvc.lock."""
    with Repo(str(repository)) as repo:
        return {name.rpartition(":")[2] for name in repo.status()}


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spy")
    (folder / "sitecustomize.py").write_text(SPY)
    return folder


def remove_network(repository: Path) -> None:
    """Remove a line in vars and a section of params.yaml."""
    pipeline, params = (repository / name for name in ("dvc.yaml", "params.yaml"))
    text, lines = re.subn(rf"\n +{LEFT_OUT}: \{{.*", "", pipeline.read_text())
    assert lines == 1
    pipeline.write_text(text)
    sections = load_yaml(params)
    del sections[LEFT_OUT]
    params.write_text(yaml.safe_dump(sections))
    run("git", "commit", "-qa", "--amend", "--no-edit", cwd=repository)


@pytest.fixture(scope="module")
def first_run(spy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after its first `dvc repro`."""
    repository = make_repository(tmp_path_factory.mktemp("pipeline"))
    remove_network(repository)
    result = run("dvc", "repro", cwd=repository, PYTHONPATH=str(spy), SPY=str(spy))
    assert sorted(ran(result.stdout)) == sorted(STAGES)
    assert "leaked" not in result.stderr
    commit(repository, "ran")
    return repository


@pytest.fixture
def repository(first_run: Path) -> Iterator[Path]:
    yield first_run
    run("git", "checkout", "-q", ".", cwd=first_run)
    with Repo(str(first_run)) as repo:
        repo.checkout()


def test_every_output_is_there(repository: Path) -> None:
    for name, count in {"pokemon819": 40, "pokemon14000": 72, "pokemon2457": 120}.items():
        assert np.load(repository / f"data/{name}.npy").shape == (count, 32, 32, 3)
    for network, entry in FIRST.items():
        folder = repository / "reports/networks" / network
        history = pd.read_csv(folder / "history.csv")
        assert history["epoch"].iloc[-1] == 1
        assert history["step"].is_monotonic_increasing
        assert np.isfinite(history.to_numpy()).all()
        scores = json.loads((folder / "scores.json").read_text())
        assert scores["pictures"] == 8
        assert scores["fd_effnet_lite0"] > scores["fd_effnet_lite0_reals"] > 0
        curve = pd.read_csv(folder / "scores.csv")
        assert curve["epoch"].iloc[-1] == 1
        assert len(curve) == 2
        assert curve["fd_effnet_lite0"].iloc[-1] == scores["fd_effnet_lite0"]
        inspection = json.loads((folder / "inspection.json").read_text())
        assert ("reconstruction" in inspection) == (entry.gan == "aegan")
    labels = pd.read_csv(repository / "data/pokemon819_types.csv")
    assert labels["first_type"].head(9).tolist() == ["Grass"] * 3 + ["Fire"] * 3 + ["Water"] * 3
    assert labels["family"].head(9).tolist() == [1] * 3 + [4] * 3 + [7] * 3
    types = json.loads((repository / "reports/types.json").read_text())
    assert types["pictures_without_type"] == 0
    grids = {path.name for path in (repository / "reports/grids").iterdir()}
    assert grids == GRIDS


def test_dvc_shows_every_plot(repository: Path, tmp_path: Path) -> None:
    shown = run("dvc", "plots", "show", "--out", str(tmp_path), cwd=repository)
    assert "failed to load" not in shown.stdout + shown.stderr
    assert len(list(tmp_path.rglob("*.png"))) == len(GRIDS)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_packages_that_it_imports(
    stage: str, first_run: Path, spy: Path
) -> None:
    code = ("stages", "pokegan")
    declared = {d.def_path for d in STAGES[stage].deps if d.def_path.startswith(code)}
    assert imported_units(stage, words(STAGES[stage])[0], spy) == declared


@pytest.mark.parametrize("stage", ALL)
def test_a_stage_names_its_files_on_its_command_line(stage: str) -> None:
    declared = ALL[stage]
    named = {word for word in words(declared)[1:] if "/" in word}
    outs = {out.def_path for out in declared.outs}
    code = ("stages", "pokegan", "params.yaml")
    data = {dep.def_path for dep in declared.deps if not dep.def_path.startswith(code)}
    for path in outs | data:
        assert any(path == word or path.startswith(f"{word}/") for word in named), path
    for word in named:
        assert any(path == word or path.startswith(f"{word}/") for path in outs | data), word
    assert declared.desc


def test_a_second_run_runs_nothing(repository: Path) -> None:
    assert ran(run("dvc", "repro", cwd=repository).stdout) == []


def test_every_stage_is_a_run_in_mlflow(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is where `mlflow ui`, started in the root without flags, looks for it."""
    monkeypatch.chdir(repository)
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (repository / "mlartifacts").as_uri()
    found = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    (parent,) = (run for run in found.values() if "dvc.content" in run.data.tags)
    assert sorted(found) == sorted([*STAGES, parent.info.run_name])
    inside = found.keys() - {parent.info.run_name}
    assert {found[n].data.tags["mlflow.parentRunId"] for n in inside} == {parent.info.run_id}
    for network in FIRST:
        scores = json.loads(Path(f"reports/networks/{network}/scores.json").read_text())
        assert parent.data.metrics[f"{network}.fd_effnet_lite0"] == scores["fd_effnet_lite0"]
    assert {each.info.status for each in found.values()} == {"FINISHED"}
    trained = found["train@aegan"]
    tags = trained.data.tags
    assert (tags["device"], tags["precision"], tags["dvc.exp"]) == ("cpu", "fp32", "")
    assert {"torch", "python", "generator_parameters", "dvc.fingerprint", "host"} <= tags.keys()
    assert tags["git_dirty"] == "False"
    (dataset,) = trained.inputs.dataset_inputs
    assert dataset.dataset.name == "pokemon14000"
    assert trained.data.metrics["pictures_per_second"] > 0
    assert trained.data.params["aegan.latent_dim"] == "8"
    assert trained.data.params["aegan.lr"] == "0.0004"
    assert len(client.get_metric_history(trained.info.run_id, "generator_loss")) == 2
    head = run("git", "rev-list", "--max-parents=0", "HEAD", cwd=repository).stdout.strip()
    assert tags["git_commit"] == head
    assert images("sqlite:///mlflow.db", trained) == [3, 6]
    evaluated = found["evaluate@aegan"]
    assert evaluated.data.metrics["fd_effnet_lite0_reals"] > 0
    curve = client.get_metric_history(evaluated.info.run_id, "fd_effnet_lite0")
    assert [point.step for point in curve] == [3, 6]


def histories(repository: Path) -> list[pd.DataFrame]:
    files = (repository / f"reports/networks/{network}/history.csv" for network in FIRST)
    return [pd.read_csv(file).drop(columns=TIMES) for file in files]


def test_every_stage_writes_the_same_bytes_again(
    repository: Path, untracked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called in this process, without the outputs of the first run."""
    monkeypatch.chdir(repository)
    rows, page = histories(repository), Path("reports/index.html").read_bytes()
    with Repo() as repo:
        # The page shows facts of the trainings, which the next training changes.
        for stage in sorted(repo.index.stages, key=lambda each: each.addressing != "report"):
            with repo.lock:
                stage.remove_outs(force=True)
            module, *arguments = words(stage)
            command = getattr(import_module(module), module.rpartition(".")[2])
            succeed(CliRunner().invoke(command, arguments))
        assert Path("reports/index.html").read_bytes() == page
        outputs = [out for stage in repo.index.stages for out in stage.outs]
        different = [out.def_path for out in outputs if out.get_hash() != out.hash_info]
    assert not [path for path in different if not FACTS.fullmatch(path)]
    for first, second in zip(rows, histories(repository), strict=True):
        pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    ("files", "stages"),
    [
        (["core/progress.py", "tracking/run.py", "cli/common.py"], set()),
        (["report/charts.py", "gans/aegan.py"], {"report", "train@aegan"}),
        (["analysis/copies.py"], of_family("inspect", "classify_types", "report")),
        (["../stages/inspect.py"], of_family("inspect")),
    ],
)
def test_a_change_of_code_concerns_only_what_depends_on_it(
    repository: Path, files: list[str], stages: set[str]
) -> None:
    for file in files:
        with (repository / "pokegan" / file).open("a") as code:
            code.write("# a comment\n")
    assert changed(repository) == stages


def test_a_user_error_is_one_sentence(repository: Path) -> None:
    """It loses no output."""
    before = (repository / "dvc.lock").read_bytes()
    set_params(repository, {"dcgan819.batch_size": 121})
    result = run("dvc", "repro", "train@dcgan819", cwd=repository, check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr + result.stdout
    (sentence,) = re.findall(r"^Error: .*$", result.stderr, flags=re.MULTILINE)
    assert "dcgan819.batch_size is 121" in sentence
    assert "data/pokemon2457.npy holds only 120 pictures" in sentence
    assert (repository / "dvc.lock").read_bytes() == before


def test_bytecode_files_change_nothing(repository: Path) -> None:
    folders = ("stages", "pokegan/gans", "models/dcgan819", "reports/networks")
    for folder in (*folders, "reports/grids"):
        (repository / folder / "__pycache__").mkdir(exist_ok=True)
        (repository / folder / "__pycache__" / "stray.pyc").write_bytes(b"stray")
    assert changed(repository) == set()


def add_network(repository: Path, name: str) -> None:
    """Add a line in vars and a section of params.yaml."""
    pipeline = repository / "dvc.yaml"
    text, lines = re.subn(r"(\n +)dcgan819(: \{.*\})", rf"\g<0>\1{name}\2", pipeline.read_text())
    assert lines == 1
    pipeline.write_text(text)
    set_params(repository, {name: load_yaml(repository / "params.yaml")["dcgan819"]})


# tests/cli/test_affected.py checks every parameter, with stand-ins for the stages.
def test_an_experiment_with_an_added_network_runs_its_stages_and_a_return_to_it_nothing(
    repository: Path,
) -> None:
    """DVC restores its outputs, those in git too; MLflow keeps the one run."""
    new = "dcgan819b"
    expected = {f"train@{new}", f"evaluate@{new}", f"inspect@{new}", "report"}

    def experiment() -> str:
        add_network(repository, new)
        return run("dvc", "exp", "run", "-S", f"{new}.width=6", cwd=repository).stdout

    assert set(ran(experiment())) == expected
    assert (repository / "reports/index.html").read_text().count(new) > 10
    assert set(read_networks(repository / "dvc.yaml")) == {*FIRST, new}
    affected = run("pokegan", "affected", f"{new}.width", cwd=repository).stdout.split()
    assert set(affected) == expected
    run("git", "checkout", "-q", ".", cwd=repository)
    for folder in ("models", "reports/networks"):
        shutil.rmtree(repository / folder / new)
    run("dvc", "checkout", "-q", cwd=repository)
    again = experiment()
    assert ran(again) == []
    assert again.count("is cached - skipping run") >= 3
    record = json.loads((repository / f"reports/networks/{new}/run.json").read_text())
    assert record["params"][f"{new}.width"] == 6
    run("pokegan", "sync", cwd=repository)
    assert len(runs(store(repository), f"train@{new}")) == 1


def test_trainings_at_once_have_the_weights_of_one_after_another(repository: Path) -> None:
    """`make parallel` with the same parameters, without the trainings in dvc.lock and the run cache."""
    lock = repository / "dvc.lock"
    before = yaml.safe_load(lock.read_text())
    trainings = {f"train@{network}" for network in FIRST}
    rest = {name: each for name, each in before["stages"].items() if name not in trainings}
    lock.write_text(yaml.safe_dump({**before, "stages": rest}))
    shutil.rmtree(repository / ".dvc/cache/runs")
    result = run("make", "--old-file", ".venv/installed", "parallel", cwd=repository)
    # The page shows facts of the trainings.
    assert sorted(ran(result.stdout)) == sorted({*trainings, "report"})
    # Nothing fails and is repeated by the last `dvc repro`.
    assert "error" not in (result.stderr + result.stdout).lower()
    after = yaml.safe_load(lock.read_text())
    for stage in trainings:
        weights, again = (
            {out["path"]: out["md5"] for out in each["stages"][stage]["outs"]}
            for each in (before, after)
        )
        assert {path for path in weights if weights[path] != again[path]} <= {
            path for path in weights if FACTS.fullmatch(path)
        }


def test_no_code_lists_networks_by_hand() -> None:
    """dvc.yaml and params.yaml name the networks; the table of the report's figures may, too."""
    listed = "|".join(name for name in NETWORKS if name not in FAMILIES)
    names = re.compile(rf"[\"'](?:{listed})[\"']")
    code = [*ROOT.glob("pokegan/**/*.py"), *ROOT.glob("stages/*.py"), *ROOT.glob("pokegan/**/*.j2")]
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in code
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if names.search(line.partition("#")[0])
        and "students" not in line.lower()
        and "pokegan " not in line
    }
    assert not found
