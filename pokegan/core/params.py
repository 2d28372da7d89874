"""Read params.yaml into typed, frozen, checked values.

A stage names the sections that it uses, the same ones that dvc.yaml lists for it; all others are
invisible to it. Which networks there are is read from `vars` in dvc.yaml. A file that is missing or
invalid raises a PipelineError.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import yaml
from pydantic import ValidationError, create_model

from pokegan.core.errors import PipelineError
from pokegan.core.schema import FAMILIES, GanParams, Section, SharedParams

PARAMS_FILE = Path("params.yaml")
PIPELINE_FILE = Path("dvc.yaml")
S = TypeVar("S", bound=Section)


class Network(NamedTuple):
    """A network of the pipeline, as `vars` in dvc.yaml declares it."""

    gan: str  # family: module in pokegan/gans
    pictures: str  # training set: data/<pictures>.npy
    reference: str  # data set that the network is scored against
    lr: str  # parameter with its learning rate: "lr", shared, or one of its section


class Params(SharedParams):
    """All of params.yaml; the networks' sections are read by item: ``params[network]``."""

    def __getitem__(self, network: str) -> GanParams:
        section: GanParams = getattr(self, network)
        return section

    def flat(self) -> dict[str, Any]:
        """Return the visible values as a flat mapping, ``section.key`` → value."""
        return dict(flatten(self.model_dump()))


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 with floats as YAML 1.2 and JSON write them."""


# `dvc exp run -S lr=0.00001` writes 1e-05, which YAML 1.1 reads as a string.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping."""
    try:
        return parse_yaml(file.read_bytes(), file)
    except FileNotFoundError as error:
        raise PipelineError(
            f"{file} is not in {Path.cwd()}; run the command from the root of the repository."
        ) from error


def parse_yaml(content: str | bytes, file: Path) -> dict[str, Any]:
    """Parse the content of a YAML file that holds a mapping."""
    try:
        values = yaml.load(content, _Loader)  # noqa: S506
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise PipelineError(
            f"{file} is not valid YAML: {reason}. Fix or restore the file."
        ) from error
    if not isinstance(values, dict):
        raise PipelineError(f"{file} holds no mapping; restore it with git checkout {file}.")
    return values


def read_networks(file: Path = PIPELINE_FILE) -> dict[str, Network]:
    """Return the networks of the pipeline by name, in the order of dvc.yaml."""
    try:
        variables = load_yaml(file)["vars"]
        declared = next(each["networks"] for each in variables if "networks" in each)
        networks = {str(name): Network(**entry) for name, entry in declared.items()}
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise PipelineError(
            f"{file}: vars must hold 'networks', names with gan, pictures, reference, lr."
        ) from error
    for name, network in networks.items():
        if network.gan not in FAMILIES:
            raise PipelineError(
                f"{file}: networks.{name}.gan is {network.gan!r}, but it must be one of "
                f"{', '.join(FAMILIES)}."
            )
    return networks


class NetworkName(click.ParamType):  # type: ignore[type-arg]
    """Click type: the name of a network in dvc.yaml."""

    name = "network"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with the list of those that there are."""
        known = read_networks()
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}.", param, ctx)
        return str(value)


def flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested values as pairs of ``section.key`` and value."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


def digest(params: Mapping[str, Any]) -> str:
    """Return the md5 of parameters, ``section.key`` → value, without the seed."""
    kept = sorted((key, value) for key, value in params.items() if key != "seed")
    return hashlib.md5(json.dumps(kept).encode(), usedforsecurity=False).hexdigest()


def read_params(*names: str, file: Path = PARAMS_FILE) -> Params:
    """Read and check all of params.yaml; only the named parts are visible in the result.

    A name is a section, or ``section.key`` for a single key. dvc.yaml lies beside the file.
    """
    values = load_yaml(file)
    for key, value in flatten(values):
        if isinstance(value, str) and "${" in value:
            raise PipelineError(
                f"{file}: {key} is {value!r}, but `dvc exp run -S` would replace the reference by "
                "a literal; write the value itself (null selects the shared value)."
            )
    networks = read_networks(file.with_name(PIPELINE_FILE.name))
    sections: dict[str, Any] = {name: (FAMILIES[each.gan], ...) for name, each in networks.items()}
    schema: type[Params] = create_model("Params", __base__=Params, **sections)
    return _select(validate(schema, values, file), names)


def validate(schema: type[S], values: dict[str, Any], file: Path) -> S:
    """Check values against a schema; a PipelineError names the first invalid one."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise PipelineError(f"{file}: {_sentence(error)}") from error


def _select(params: Params, names: tuple[str, ...]) -> Params:
    visible: dict[str, Any] = {}
    for name in names:
        section, _, key = name.partition(".")
        value = getattr(params, section)
        if key:
            before = dict(visible.get(section, ()))
            value = type(value).model_construct(**before, **{key: getattr(value, key)})
        visible[section] = value
    return type(params).model_construct(**visible)


def _sentence(error: ValidationError) -> str:
    details = error.errors(include_url=False)
    first = details[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" ({len(details) - 1} more to fix)" if len(details) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            return f"{key} is not a known key; remove it or correct its spelling{more}."
        case "missing":
            return f"{key} is missing; add it (git diff shows what was removed){more}."
        case "value_error":
            return f"{key}.{first['msg'].removeprefix('Value error, ')}{more}."
        case _:
            demand = first["msg"].removeprefix("Input ").replace("should", "must")
            return f"{key} is {first['input']!r}, but it {demand}{more}."
