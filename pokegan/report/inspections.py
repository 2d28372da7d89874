"""Inspections: nearest training images, latent space, reconstructions, discriminator features."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pokegan.core.files import reading
from pokegan.core.grids import grid
from pokegan.report.animation import captioned, data_uri, downscale
from pokegan.report.charts import cumulative, spectra
from pokegan.report.results import NetworkResults

COLUMNS = 8
FILTER_SIZE = 24  # pixels: smaller filters are enlarged towards it
# Curve → array of the inspection.
DISTANCES = {
    "generated images": "copies_distances",
    "training images, to another species": "copies_to_others",
    "training images, to their own species": "copies_to_own",
}
COMPARED = {
    "checkerboard": "share of power with a period of two pixels",
    "lpips_diversity": "LPIPS between two images",
}
ERRORS = {
    "reconstruction": "recon_picture_errors",
    "reconstruction of the mirrored image": "recon_mirrored_errors",
    "mean of all images": "recon_mean_errors",
    "random generated image": "recon_unrelated_errors",
}


def inspections(
    networks: Sequence[NetworkResults], colors: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Return section → network → content, for the parts that the inspections have."""
    parts = ("copies", "latent_spaces", "reconstructions", "features")
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for network in networks:
        name, inspection = network.name, network.inspection
        if not inspection:
            continue
        with reading(network.folder / "inspection.*"):
            found["copies"][name] = nearest_images(inspection, colors[name])
            found["latent_spaces"][name] = latent_space(inspection)
            if "reconstruction" in inspection:
                found["reconstructions"][name] = reconstructions(inspection, colors[name])
            if "discriminator" in inspection:
                found["features"][name] = discriminator_features(inspection)
    return found


def comparisons(networks: Sequence[NetworkResults], colors: dict[str, str]) -> dict[str, Any]:
    """Return figures of the comparison without an encoder, as a table, and a chart of spectra.

    Cells are title → network → values of generated and of real images, as strings.
    """
    cells: dict[str, dict[str, tuple[str, str]]] = {}
    profiles: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for network in networks:
        if "comparison" not in network.inspection:
            continue
        with reading(network.folder / "inspection.*"):
            figures = network.inspection["comparison"]
            for key in (key for key in figures if f"{key}_reals" in figures):
                side = key.removeprefix("swd_")
                title = COMPARED.get(key, f"sliced Wasserstein distance × 1000, {side} pixels")
                value, reals = (f"{figures[each]:.3g}" for each in (key, f"{key}_reals"))
                cells.setdefault(title, {})[network.name] = value, reals
            profiles[network.name] = (
                network.inspection["comparison_spectrum"],
                network.inspection["comparison_spectrum_reals"],
            )
    return {"cells": cells, "spectra": spectra(profiles, colors) if profiles else None}


def nearest_images(inspection: dict[str, Any], color: str) -> dict[str, Any]:
    """Return a chart of the distances to the nearest training images, and a sheet of pairs.

    A row of the sheet has a generated image and its neighbors, captioned with their distances.
    """
    distances = {title: inspection[key] for title, key in DISTANCES.items()}
    neighbors = inspection["copies_neighbours"]
    rows = np.concatenate([inspection["copies_generated"][:, None], neighbors], axis=1)
    captions = [
        caption
        for row in inspection["copies_neighbour_distances"]
        for caption in ("generated", *map("{:.2f}".format, row))
    ]
    images = captioned(downscale(rows.reshape(-1, *rows.shape[2:])), captions)
    return {
        **inspection["copies"],
        "pictures": len(inspection["copies_distances"]),
        "lines": list(DISTANCES),
        "chart": cumulative(distances, "LPIPS to the nearest training image", color),
        "sheet": data_uri(grid(images, columns=rows.shape[1]), lossless=False),
    }


def latent_space(inspection: dict[str, Any]) -> dict[str, Any] | None:
    """Return paths between latents and rotations of latents; None if a latent has one dimension."""
    if "latent_paths" not in inspection:
        return None
    degrees, changes = inspection["latent_degrees"].tolist(), inspection["latent_changes"]
    # After a complete mode collapse, the images do not change at all.
    shares = changes / (changes[-1] or 1)
    return {
        "paths": image_rows(inspection["latent_paths"]),
        "neighborhoods": image_rows(inspection["latent_neighbourhoods"]),
        "degrees": degrees,
        "change": float(changes[-1]),
        "shares": dict(zip(degrees, shares.tolist(), strict=True)),
    }


def reconstructions(inspection: dict[str, Any], color: str) -> dict[str, Any]:
    """Return reconstructions beside their originals, paths between real images, and errors."""
    figures, between = inspection["reconstruction"], inspection.get("recon_between")
    kinds = ("originals", "reconstructions", "errors")
    images = {title: inspection[key] for title, key in ERRORS.items()}
    latents = {"latents": inspection["recon_latent_errors"] / inspection["recon_latent_lengths"]}
    return {
        **figures,
        **{
            part: pairs(*(inspection[f"recon_{part}_{kind}"] for kind in kinds))
            for part in ("spaced", "best", "worst")
        },
        "between": None if between is None else image_rows(between),
        "nearer": round(figures["nearer_than_mean"] * figures["pictures"]),
        "lines": list(ERRORS),
        "image_errors": cumulative(images, "error, at most", color),
        "latent_errors": cumulative(latents, "error as a multiple of |z|, at most", color, 1.0),
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


def discriminator_features(inspection: dict[str, Any]) -> dict[str, Any]:
    """Return the first filters of a discriminator, before and after its training, and scores."""
    filters = {kind: inspection[f"filters_{kind}"] for kind in ("untrained", "trained")}
    side = filters["trained"].shape[1]
    factor = max(1, FILTER_SIZE // side)
    return {
        **inspection["discriminator"],
        "shown": len(filters["trained"]),
        "side": side,
        "sheets": {
            kind: data_uri(
                grid(downscale(each.repeat(factor, axis=1).repeat(factor, axis=2)), COLUMNS)
            )
            for kind, each in filters.items()
        },
    }
