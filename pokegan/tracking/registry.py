"""Trained generators in MLflow's registry: a version a generator, an alias for the best."""

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

CODE = Path(__file__).parent
PACKAGES = ("click", "mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")
# What drawing, and AEGAN's reconstructions, need of a model's folder.
FILES = ("config.json", "generator.safetensors", "generator_ema.safetensors", "encoder.safetensors")


def register(
    client: MlflowClient,
    run_id: str,
    network: str,
    folder: Path,
    encoder: str,
    scores: Mapping[str, Any],
    reals: str,
) -> None:
    """Have the generator of NETWORK in FOLDER in the registry as a version of ``pokegan-NETWORK``.

    It is tagged with the distance that ENCODER gave it, out of SCORES, against REALS (the md5 of
    what tells those pictures). The alias ``best_ENCODER`` goes to the version with the least one
    among those that were scored alike: a Fréchet distance depends on the number of pictures.

    A version that is new is said to come from the run RUN_ID.
    """
    from pokegan.metrics.names import metric_name

    name, distance = f"pokegan-{network}", metric_name("fd", encoder)
    average = folder / "generator_ema.safetensors"
    drawing = average if average.is_file() else folder / "generator.safetensors"
    mark = hashlib.md5(drawing.read_bytes(), usedforsecurity=False).hexdigest()
    alike = f"{scores['pictures']} pictures of {reals}"
    with FileLock(root() / ".work" / "registry.lock"):  # who evaluates at the same time is a rival
        known = client.search_model_versions(f"name = '{name}' AND tags.generator_md5 = '{mark}'")
        version = str(known[0].version) if known else _log(client, run_id, name, folder, mark)
        told = {distance: scores[distance], f"{distance}_against": alike}
        for key, value in told.items():
            client.set_model_version_tag(name, version, key, str(value))
        rivals = {
            str(each.version): float(each.tags[distance])
            for each in client.search_model_versions(f"name = '{name}'")
            if each.tags.get(f"{distance}_against") == alike
        }
        best = min(rivals, key=lambda version: rivals[version])
        client.set_registered_model_alias(name, f"best_{encoder}", best)


def _log(client: MlflowClient, run_id: str, name: str, folder: Path, mark: str) -> str:
    """Log the generator in FOLDER, whose md5 is MARK, and register it; its version's number."""
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    asked = Schema([ColSpec("long", "seed"), ColSpec("long", "count")])
    drawn = Schema([ColSpec("long", "seed"), ColSpec("long", "number"), ColSpec("string", "png")])
    with tempfile.TemporaryDirectory() as temporary:
        chosen = Path(temporary) / "model"
        chosen.mkdir()
        for file in FILES:
            if (folder / file).is_file():
                shutil.copy(folder / file, chosen)
        logged = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(CODE / "served.py"),
            artifacts={"model": str(chosen)},
            code_paths=[str(CODE)],
            signature=ModelSignature(asked, drawn),
            input_example=pd.DataFrame({"seed": [1], "count": [4]}),
            pip_requirements=[f"{package}=={installed(package)}" for package in PACKAGES],
        )
    # mlflow.register_model would do the same and talk of it.
    with suppress(mlflow.MlflowException):
        client.create_registered_model(name)
    made = client.create_model_version(
        name, logged.model_uri, run_id, {"generator_md5": mark}, model_id=logged.model_id
    )
    return str(made.version)
