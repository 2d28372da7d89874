"""What a study searches, in the words of `dvc exp run -S`: Hydra's, as DVC reads them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pokegan.core.errors import PipelineError
from pokegan.core.params import PARAMS_FILE, NetworkName, Params, flatten, read_params

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override, RangeSweep
    from optuna.distributions import BaseDistribution

DIGITS = 6  # significant ones of a value that is proposed


@dataclass(frozen=True)
class SearchSpace:
    """Parameters that are the same in all trials, and distributions of those that are searched.

    WORDS are the values as they were asked for, of both.
    """

    fixed: dict[str, str]
    searched: dict[str, BaseDistribution]
    words: dict[str, str]

    def values(self, proposed: Mapping[str, Any]) -> dict[str, Any]:
        """PROPOSED values of the searched parameters as they are used: of DIGITS digits.

        Optuna's have all seventeen, of which dvc.lock loses the last: DVC would run the stage again
        and again.
        """
        return {key: self._rounded(key, value) for key, value in proposed.items()}

    def _rounded(self, key: str, value: Any) -> Any:
        distribution: Any = self.searched[key]
        if not isinstance(value, float) or hasattr(distribution, "choices"):
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), distribution.low), distribution.high)

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """What `-S` is to be told for a trial with VALUES of the searched parameters."""
        return [f"{key}={value}" for key, value in {**self.fixed, **values}.items()]

    def ends(self, key: str) -> list[Any]:
        """All choices of the parameter KEY, or the lowest and the highest value."""
        distribution: Any = self.searched[key]
        if hasattr(distribution, "choices"):
            return list(distribution.choices)
        return [distribution.low, distribution.high]


def read_space(words: Sequence[str], network: str) -> SearchSpace:
    """The space that WORDS span, each KEY=VALUES, and that shapes NETWORK.

    choice(a,b,c) or a,b,c; range(start,stop,step) without stop, as in Python; interval(low,high)
    and int(interval(low,high)) with both ends; tag(log,…) of the last two takes logarithms. An
    order, as of shuffle(…), means nothing here. A single value is fixed.

    Raises:
        PipelineError: a word is not of this grammar, a key is none of params.yaml, params.yaml may
            not hold one of the choices or ends, or nothing is to be searched.
    """
    known = [key for key, _ in flatten(resolved([]).model_dump())]
    fixed: dict[str, str] = {}
    searched: dict[str, BaseDistribution] = {}
    asked: dict[str, str] = {}
    for override in _parse(words):
        key = override.get_key_element()
        if key not in known:
            (closest,) = get_close_matches(key, known, n=1, cutoff=0)
            raise PipelineError(f"{PARAMS_FILE} has no parameter {key}; did you mean {closest}?")
        if key in asked:
            raise PipelineError(f"-S {key} is given twice; join its values: {key}=a,b,c.")
        asked[key] = override.get_value_string()
        if not override.is_sweep_override():
            fixed[key] = asked[key]
            continue
        section = key.partition(".")[0]
        if section == "evaluate" or section in {*NETWORKS} - {network}:
            raise PipelineError(
                f"-S {override.input_line}: {key} does not shape {network}; search a parameter "
                f"that does, say {network}.lr."
            )
        searched[key] = _distribution(override)
    if all(distribution.single() for distribution in searched.values()):
        raise PipelineError(
            f"There is nothing to search; give a parameter several values, say -S {network}.lr="
            "'tag(log,interval(0.00001,0.001))' or -S "
            f"{network}.width=32,64."
        )
    space = SearchSpace(fixed, searched, asked)
    resolved(space.overrides({}))
    for key in searched:
        for value in space.ends(key):
            resolved(space.overrides({key: value}))
    return space


def resolved(overrides: Sequence[str]) -> Params:
    """All of params.yaml as `dvc exp run -S` would make it by OVERRIDES; the file stays as it is.

    Raises:
        PipelineError: a stage would refuse it.
    """
    from dvc.utils.hydra import apply_overrides  # type: ignore[import-untyped]
    from omegaconf.errors import OmegaConfBaseException

    if not overrides:
        return read_params(*Params.model_fields)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS_FILE.name
        shutil.copy(PARAMS_FILE, copy)
        try:
            apply_overrides(copy, overrides)
            return read_params(*Params.model_fields, file=copy)
        except PipelineError as fault:
            raise PipelineError(fault.message.replace(f"{copy}:", "-S:")) from fault
        except OmegaConfBaseException as fault:
            raise PipelineError(
                f"-S {' '.join(overrides)}: {str(fault).splitlines()[0]}; write the value itself."
            ) from fault


def _parse(words: Sequence[str]) -> list[Override]:
    from dvc.utils.cli_parse import to_path_overrides  # type: ignore[import-untyped]
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    found = []
    for word in words:
        ((file, (override,)),) = to_path_overrides([word]).items()
        if file != str(PARAMS_FILE):
            raise PipelineError(
                f"-S {word}: the stages read {PARAMS_FILE} alone; leave {file} away."
            )
        try:
            found.append(parser.parse_override(override))
        except HydraException as fault:
            reason = str(fault).splitlines()[0]
            raise PipelineError(
                f"-S {word} is no KEY=VALUES ({reason}); see python -m pokegan.cli.study --help."
            ) from fault
    return found


def _distribution(override: Override) -> BaseDistribution:
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep, Sweep
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep: Any = override.value()
    fault = f"-S {override.input_line}: "
    if not isinstance(sweep, Sweep):
        raise PipelineError(f"{fault}glob(…) means files; name the values themselves.")
    log = "log" in sweep.tags
    if sweep.tags - {"log"} or (log and isinstance(sweep, ChoiceSweep)):
        raise PipelineError(f"{fault}the only tag is log, of an interval or a range.")
    try:
        match sweep:
            case ChoiceSweep():
                if any(isinstance(each, Sweep) for each in sweep.list):
                    raise PipelineError(f"{fault}a choice is among values, not among spaces.")
                return CategoricalDistribution(list(dict.fromkeys(map(_choice, sweep.list))))
            case RangeSweep():
                low, high, step = _range(sweep)
            case IntervalSweep():
                low, high, step = sweep.start, sweep.end, None
        if isinstance(low, int):
            return IntDistribution(low, high, log=log, step=step or 1)
        return FloatDistribution(low, high, log=log, step=step)
    except ValueError as reason:
        raise PipelineError(f"{fault}{str(reason).rstrip('.')}; correct it.") from reason


def _choice(value: Any) -> bool | float | str:
    """VALUE as Optuna can store it: numbers as they are, others as Hydra would write them."""
    from hydra.core.override_parser.types import Transformer

    return value if isinstance(value, (bool, int, float)) else Transformer.str(value)


def _range(sweep: RangeSweep) -> tuple[Any, Any, Any]:
    """The lowest and the highest value of SWEEP, and the step between two."""
    given = (sweep.start, sweep.stop, sweep.step)
    # As they were written: 0.1 is no binary number.
    start, stop, step = (Decimal(str(each)) for each in given)
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise ValueError("the range holds no value")
    kind = int if all(isinstance(each, int) for each in given) else float
    low, high = sorted((start, start + (count - 1) * step))
    return kind(low), kind(high), kind(abs(step))
