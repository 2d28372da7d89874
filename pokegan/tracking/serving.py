"""A trained generator as MLflow serves it: seeds and counts in, images out.

MLflow runs this file when it loads a model that `registry.py` logged.
"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.models import set_model
from PIL import Image

from pokegan.networks.sampling import generate_images, seeded_latents
from pokegan.networks.weights import load_generator

if TYPE_CHECKING:
    from mlflow.pyfunc.model import PythonModelContext

MAX_COUNT = 1000  # images per row; more do not fit into memory and a response


class GeneratorModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Sample images: rows of (seed, count) → one row per image (seed, number, png as base64)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the generator from the logged folder."""
        self._generator, config = load_generator(Path(context.artifacts["model"]))
        self._latent_dim = config["latent_dim"]

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the images; those of a smaller count are the first of a larger one."""
        rows = []
        for seed, count in zip(model_input["seed"], model_input["count"], strict=True):
            if not 1 <= count <= MAX_COUNT:
                raise ValueError(f"count is {count}, but it must be within 1 … {MAX_COUNT}.")
            z = seeded_latents(int(count), self._latent_dim, int(seed))
            for number, pixels in enumerate(generate_images(self._generator, z).numpy()):
                stream = BytesIO()
                Image.fromarray(pixels).save(stream, format="PNG")
                png = base64.b64encode(stream.getvalue()).decode()
                rows.append({"seed": int(seed), "number": number, "png": png})
        return pd.DataFrame(rows)


set_model(GeneratorModel())
