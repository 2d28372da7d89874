"""The three trainings side by side, on the real tools."""

from __future__ import annotations

import re
import time
from pathlib import Path

import mlflow
import psutil
import pytest
from ruamel.yaml import YAML

from stages.parallel import tell
from stages.params import NETWORKS
from tests.conftest import make_repository, run, set_params, start_process


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline up to the scores: what follows the trainings is a plain `dvc repro`."""
    folder = make_repository(tmp_path_factory.mktemp("parallel"))
    file, yaml = folder / "dvc.yaml", YAML()
    pipeline = yaml.load(file)
    kept = ("download", "prepare", "augment", "train", "encode", "evaluate")
    stages = pipeline["stages"]
    pipeline["stages"] = {name: stages[name] for name in stages if name.startswith(kept)}
    yaml.dump(pipeline, file)
    return folder


def test_one_that_fails_is_named_and_the_others_are_done(repository: Path) -> None:
    set_params(repository, {"aegan.batch_size": 73})
    command = ("python", "-m", "stages.parallel", "--at-once", "3")
    result = run(*command, cwd=repository, check=False)
    assert result.returncode == 1
    (error,) = re.findall(r"^Error: .*$", result.stderr, flags=re.MULTILINE)
    assert "train_aegan failed, see .work/parallel/train_aegan.log: aegan.batch_size is 73" in error
    assert "Traceback" not in result.stderr
    assert (repository / "models/dcgan819/generator.safetensors").is_file()
    assert (repository / "models/dcgan14000/generator.safetensors").is_file()
    assert not list(repository.glob("reports/*/scores/*.json"))


def test_all_three_at_once_and_then_the_rest(repository: Path) -> None:
    """Longer trainings than dvc takes to start, so that they must overlap."""
    longer = {f"{network}.epochs": 60 for network in NETWORKS}
    set_params(repository, {**longer, "aegan.batch_size": 12})
    run("python", "-m", "stages.parallel", "--at-once", "3", cwd=repository)
    assert len(list(repository.glob("reports/*/scores/*.json"))) == len(NETWORKS)
    assert "up to date" in run("dvc", "status", cwd=repository).stdout
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    of = "params.`{0}.epochs` = '60.0' AND attributes.status = 'FINISHED'"
    found = [
        client.search_runs([experiment.experiment_id], of.format(network)) for network in NETWORKS
    ]
    times = [(each.info.start_time, each.info.end_time) for (each,) in found]
    assert max(begun for begun, _ in times) < min(ended for _, ended in times)


def test_a_signal_stops_all_of_them(repository: Path) -> None:
    """Two trainings under way, and the one that has not begun."""
    for network in NETWORKS:
        (repository / f"reports/{network}/history.csv").unlink()
    set_params(repository, {f"{network}.epochs": 4000 for network in NETWORKS})
    process = start_process(repository, "-m", "stages.parallel", "--at-once", "2")
    histories = [repository / f"reports/{network}/history.csv" for network in NETWORKS[:2]]
    while not all(each.is_file() and len(each.read_text().splitlines()) > 2 for each in histories):
        assert process.poll() is None
        time.sleep(0.1)
    below = psutil.Process(process.pid).children(recursive=True)
    assert sum("stages.train" in each.cmdline() for each in below) == 2
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 128 + 15
    assert psutil.wait_procs(below, timeout=60)[1] == []


@pytest.mark.parametrize(
    ("gpus", "at_once", "sentence"),
    [
        (0, 1, "no GPU, 8 cores: the networks train one after another. --at-once says otherwise."),
        (1, 1, "1 GPU: the networks train one after another. --at-once says otherwise."),
        (1, 3, "1 GPU: the networks train 3 at once. Those that find no GPU free wait, unless"),
        (3, 3, "3 GPUs: the networks train 3 at once."),
    ],
)
def test_it_says_how_and_why(
    gpus: int, at_once: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(gpus, 8, at_once)
    assert capsys.readouterr().err.startswith(sentence)
