"""MLflow's model registry: one version per generator, an alias for the best."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pokegan.core.provenance import root

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pokegan.tracking.store import Store

REFERENCE = "reference_"  # prefix of the hash of the real pictures' features, by encoder
PACKAGE = Path(__file__).parent.parent
# What serving.py imports.
REQUIREMENTS = ("click", "mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")
# What sampling and AEGAN's reconstructions need of a model's folder.
FILES = ("config.json", "generator.safetensors", "generator_ema.safetensors", "encoder.safetensors")


def register(
    store: Store, run_id: str, network: str, folder: Path, scores: Mapping[str, Any]
) -> None:
    """Register the generator in a folder as a version of ``pokegan-<network>``.

    The version is tagged with its Fréchet distance by each encoder, and once more per protocol: the
    distance depends on the number of pictures and on the real ones. The alias ``best_<encoder>``
    moves to the best version by this protocol. `scores` is the content of the scores' JSON file,
    `run_id` the run that a new version comes from.
    """
    name = f"pokegan-{network}"
    average = folder / "generator_ema.safetensors"
    generator = average if average.is_file() else folder / "generator.safetensors"
    md5 = hashlib.md5(generator.read_bytes(), usedforsecurity=False).hexdigest()
    client = store.client
    with FileLock(root() / ".work" / "registry.lock"):  # evaluations may end at the same time
        known = client.search_model_versions(f"name = '{name}' AND tags.generator_md5 = '{md5}'")
        version = str(known[0].version) if known else _log(client, run_id, name, folder, md5)
        for encoder, (distance, scored) in _protocols(scores).items():
            for tag in (distance, scored):
                client.set_model_version_tag(name, version, tag, str(scores[distance]))
            _move_alias(client, name, encoder, scored)


def choose_best(store: Store, network: str, scores: Mapping[str, Any]) -> list[str]:
    """Move the aliases ``best_<encoder>`` to the best versions by the protocols of an evaluation.

    Returns those that moved: another protocol was used last.
    """
    with FileLock(root() / ".work" / "registry.lock"):
        return [
            f"best_{encoder}"
            for encoder, (_, scored) in _protocols(scores).items()
            if _move_alias(store.client, f"pokegan-{network}", encoder, scored)
        ]


def _protocols(scores: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the Fréchet distance by each encoder, and the tag for it by this protocol."""
    from pokegan.metrics.names import metric_name

    found = {}
    for key, reference in scores.items():
        if key.startswith(REFERENCE):
            encoder = key.removeprefix(REFERENCE)
            distance = metric_name("fd", encoder)
            found[encoder] = distance, f"{distance}_{scores['pictures']}_{reference[:8]}"
    return found


def _move_alias(client: MlflowClient, name: str, encoder: str, scored: str) -> bool:
    """Set the alias to the version with the lowest distance in a tag; return whether it changed."""
    versions = client.search_model_versions(f"name = '{name}'")
    rated = [each for each in versions if scored in each.tags]
    if not rated:
        return False
    alias = f"best_{encoder}"
    best = min(rated, key=lambda version: (float(version.tags[scored]), int(version.version)))
    if client.get_registered_model(name).aliases.get(alias) == best.version:
        return False
    client.set_registered_model_alias(name, alias, best.version)
    return True


def _log(client: MlflowClient, run_id: str, name: str, folder: Path, md5: str) -> str:
    """Log and register the generator in a folder; return the number of its version."""
    import mlflow
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("long", "seed"), ColSpec("long", "count")])
    outputs = Schema([ColSpec("long", "seed"), ColSpec("long", "number"), ColSpec("string", "png")])
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary) / "model"
        model.mkdir()
        for file in FILES:
            if (folder / file).is_file():
                shutil.copy(folder / file, model)
        logged = Model.log(  # mlflow.pyfunc.log_model needs an active run
            artifact_path=None,
            name=name,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            python_model=str(Path(__file__).with_name("serving.py")),
            artifacts={"model": str(model)},
            code_paths=[str(PACKAGE)],
            signature=ModelSignature(inputs, outputs),
            input_example=pd.DataFrame({"seed": [1], "count": [4]}),
            pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
        )
    # mlflow.register_model does the same, but prints.
    with suppress(mlflow.MlflowException):
        client.create_registered_model(name)
    made = client.create_model_version(
        name, logged.model_uri, run_id, {"generator_md5": md5}, model_id=logged.model_id
    )
    return str(made.version)
