"""A trained generator as MLflow serves it: seeds and counts in, pictures out.

MLflow runs this file when it loads the model; `stages/models.py` logs it.
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

MOST = 1000  # pictures a row: beyond, the answer no longer fits into memory and a response


class Pictures(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Draws: rows of (seed, count) → a row a picture (seed, number, png as base64)."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the generator of the folder that was logged."""
        self._generator, configuration = load_generator(Path(context.artifacts["model"]))
        self._latent_dim = configuration["latent_dim"]

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """The same seed gives the same pictures, as the first of any larger count.

        Raises:
            ValueError: a count is not within 1 … 1000.
        """
        rows = []
        for seed, count in zip(model_input["seed"], model_input["count"], strict=True):
            if not 1 <= count <= MOST:
                raise ValueError(f"count is {count}, but it must be within 1 … {MOST}.")
            z = seeded_latents(int(count), self._latent_dim, int(seed))
            for number, pixels in enumerate(generate_images(self._generator, z).numpy()):
                stream = BytesIO()
                Image.fromarray(pixels).save(stream, format="PNG")
                png = base64.b64encode(stream.getvalue()).decode()
                rows.append({"seed": int(seed), "number": number, "png": png})
        return pd.DataFrame(rows)


set_model(Pictures())
