"""Interpolations and rotations in the latent space, and reconstructions."""

from typing import Any

import numpy as np

from pokegan.core.grids import grid
from pokegan.report.animation import captioned, data_uri, downscale
from pokegan.report.charts import cumulative

COLUMNS = 8
ERRORS = {
    "reconstruction": "recon_picture_errors",
    "reconstruction of the mirrored image": "recon_mirrored_errors",
    "mean of all images": "recon_mean_errors",
    "random generated image": "recon_unrelated_errors",
}


def latent_space(inspection: dict[str, Any]) -> dict[str, Any] | None:
    """Return paths between latents and rotations of latents; None if a latent has one dimension."""
    if "latent_paths" not in inspection:
        return None
    degrees, changes = inspection["latent_degrees"], inspection["latent_changes"]
    # After a complete mode collapse, the images do not change at all.
    shares = changes / (changes[-1] or 1)
    return {
        "paths": image_rows(inspection["latent_paths"]),
        "neighborhoods": image_rows(inspection["latent_neighbourhoods"]),
        "degrees": degrees.tolist(),
        "change": float(changes[-1]),
        "shares": dict(zip(degrees.tolist(), shares.tolist(), strict=True)),
    }


def reconstructions(inspection: dict[str, Any], color: str) -> dict[str, Any]:
    """Return reconstructions beside their originals, paths between real images, and errors."""
    figures = inspection["reconstruction"]
    kinds = ("originals", "reconstructions", "errors")
    images = {title: inspection[key] for title, key in ERRORS.items()}
    latents = {"latents": inspection["recon_latent_errors"] / inspection["recon_latent_lengths"]}
    return {
        **figures,
        **{
            part: pairs(*(inspection[f"recon_{part}_{kind}"] for kind in kinds))
            for part in ("spaced", "best", "worst")
        },
        "between": (
            image_rows(inspection["recon_between"]) if "recon_between" in inspection else None
        ),
        "nearer": round(figures["nearer_than_mean"] * figures["pictures"]),
        "lines": list(ERRORS),
        "image_errors": cumulative(images, "error, at most", color),
        "latent_errors": cumulative(
            latents, "error as a multiple of |z|, at most", color, mark=1.0
        ),
    }


def image_rows(images: np.ndarray) -> str:
    """Arrange images (…, R, R, 3) in one data URI."""
    flat = images.reshape(-1, *images.shape[-3:])
    return data_uri(grid(downscale(flat), COLUMNS), lossless=False)


def pairs(originals: np.ndarray, reconstructed: np.ndarray, errors: np.ndarray) -> str:
    """Arrange originals (N, R, R, 3) above their reconstructions, with errors as captions."""
    both = np.concatenate([downscale(originals), downscale(reconstructed)], axis=1)
    captions = [f"{error:.3f}" for error in errors]
    return data_uri(grid(captioned(both, captions), COLUMNS), lossless=False)
