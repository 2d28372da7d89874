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

    from pokegan.tracking.lockfile import StageRun
    from pokegan.tracking.store import Store

PACKAGE = Path(__file__).parent.parent
# What serving.py imports.
REQUIREMENTS = ("click", "mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")
# What sampling and AEGAN's reconstructions need of a model's folder.
FILES = ("config.json", "generator.safetensors", "generator_ema.safetensors", "encoder.safetensors")


def register(
    store: Store,
    run_id: str,
    execution: StageRun,
    network: str,
    folder: Path,
    encoder: str,
    scores: Mapping[str, Any],
) -> None:
    """Register the generator in a folder as a version of ``pokegan-<network>``.

    The version is tagged with its Fréchet distance. The alias ``best_<encoder>`` moves to the
    version with the lowest distance among those scored alike: the distance depends on the number of
    pictures. `scores` is the content of the scores' JSON file, `run_id` the run that a new version
    comes from.
    """
    from pokegan.metrics.names import metric_name

    name, distance = f"pokegan-{network}", metric_name("fd", encoder)
    average = folder / "generator_ema.safetensors"
    generator = average if average.is_file() else folder / "generator.safetensors"
    md5 = hashlib.md5(generator.read_bytes(), usedforsecurity=False).hexdigest()
    reference = next(iter(execution.data_sets.values()), "")  # md5 of its features
    protocol = f"{scores['pictures']} pictures of {reference}"
    client = store.client
    with FileLock(root() / ".work" / "registry.lock"):  # evaluations may end at the same time
        known = client.search_model_versions(f"name = '{name}' AND tags.generator_md5 = '{md5}'")
        version = str(known[0].version) if known else _log(client, run_id, name, folder, md5)
        client.set_model_version_tag(name, version, distance, str(scores[distance]))
        client.set_model_version_tag(name, version, f"{distance}_against", protocol)
        distances = {
            str(each.version): float(each.tags[distance])
            for each in client.search_model_versions(f"name = '{name}'")
            if each.tags.get(f"{distance}_against") == protocol
        }
        best = min(distances, key=lambda version: distances[version])
        client.set_registered_model_alias(name, f"best_{encoder}", best)


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
