"""Which trial is the best, and which is the next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import create_trial

from stages.errors import PipelineError
from stages.params import Params, read_params
from stages.search_space import read_space
from stages.study import open_study
from stages.trials import Aim, best_of, code_of, next_trial
from tests.conftest import set_params
from tests.test_search_space import LR


def test_the_best_is_the_first_of_the_best() -> None:
    done = [create_trial(value=value) for value in (2.0, 1.0, 3.0, 1.0, 3.0)]
    assert best_of(done, "minimize") is done[1]
    assert best_of(done, "maximize") is done[2]
    assert best_of([], "maximize") is None


def test_however_often_it_is_stopped_a_study_proposes_the_same(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also past the ten random trials that TPE begins with; trials that are left are taken up."""
    space = read_space([LR, "dcgan819.width=int(interval(4,64))"], "dcgan819")
    params = read_params(*Params.model_fields)

    def aim_of(name: str) -> Aim:
        names = (name, "dcgan819", "effnet_lite0", "fd_effnet_lite0", "minimize")
        return Aim(*names, space, params, code_of("dcgan819", "effnet_lite0"))

    def proposals(name: str, leave: bool) -> list[dict[str, Any]]:
        aim = aim_of(name)
        found, proposed = open_study(aim), []
        while trial := next_trial(found, aim, 14):
            if leave:
                trial.log.close()
                found = open_study(aim)
                again = next_trial(found, aim, 14)
                assert again
                assert (again.number, again.values) == (trial.number, trial.values)
                trial = again
            proposed.append(trial.values)
            found.tell(trial.number, abs(trial.values["dcgan819.width"] - 30) + trial.values["lr"])
            trial.log.close()
        return proposed

    (workspace / ".work").mkdir()
    straight = proposals("straight", leave=False)
    assert len({json.dumps(values) for values in straight}) == 14
    assert proposals("stopped", leave=True) == straight

    aim = aim_of("new")
    found = open_study(aim)
    set_params(workspace, {"lr": 0.5, "aegan.lr": 0.5})  # searched, and another network's
    assert next_trial(found, aim, 14)
    set_params(workspace, {"dcgan819.ema": 0.5})
    changed = r"params\.yaml or the code was changed"
    with pytest.raises(PipelineError, match=changed):
        next_trial(found, aim, 14)
    set_params(workspace, {"dcgan819.ema": 0.0})
    assert next_trial(found, aim, 14)
    with pytest.raises(PipelineError, match=changed):
        next_trial(found, replace(aim, code="another"), 14)
