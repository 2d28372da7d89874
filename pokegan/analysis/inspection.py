"""All analyses of one trained network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pokegan.analysis.copies import Index, find_copies
from pokegan.analysis.discriminators import PROBED_KINDS, inspect_discriminator
from pokegan.analysis.latent_space import explore_latent_space
from pokegan.analysis.probing import Task
from pokegan.analysis.reconstruction import MAX_IMAGES, count_known, inspect_reconstructions
from pokegan.analysis.subset import evenly_spaced
from pokegan.compute.randomness import Streams
from pokegan.metrics.encoding import Encoder, encode
from pokegan.networks.factory import build_network
from pokegan.networks.sampling import generate_images, sample_latents
from pokegan.networks.weights import load_generator, load_network

# Prefix of the arrays → section of the figures.
SECTIONS = {"copies": "copies", "recon": "reconstruction", "filters": "discriminator"}


def inspect_network(
    model: Path,
    device: torch.device,
    seed: int,
    count: int,
    scorer: Encoder,
    index: Index,
    training_images: np.ndarray,
    images: np.ndarray,
    task: Task,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Run the analyses that the networks of a model allow.

    Args:
        model: folder of the model.
        device: where to compute.
        seed: seed of latents, initial weights and folds.
        count: generated images to compare with the training images.
        scorer: encoder of the index.
        index: index of the training images.
        training_images: uint8 (M, R, R, 3).
        images: real images to reconstruct and classify, uint8 (N, R, R, 3).
        task: classification of their types.
        progress: called with the number of generated images encoded since the last call.

    Returns:
        Arrays with the prefix of their analysis, and figures in sections.
    """
    generator, config = load_generator(model)
    generator.to(device)
    networks, latent_dim, streams = config["networks"], config["latent_dim"], Streams(seed)
    z = sample_latents(count, latent_dim, streams["matched latents"])
    generated = generate_images(generator, z).numpy()
    features = encode(scorer, generated, device, progress).features
    parts = {"copies": find_copies(generated, features, training_images, index)}
    if latent_dim > 1:
        parts["latent"] = explore_latent_space(generator, latent_dim, streams), {}
    if networks.get("discriminator", {}).get("kind") in PROBED_KINDS:
        trained = load_network(model, "discriminator").to(device)
        untrained = build_network(networks["discriminator"], streams, "discriminator").to(device)
        parts["filters"] = inspect_discriminator(trained, untrained, images, task, seed)
    if "encoder" in networks:
        encoder = load_network(model, "encoder").to(device)
        originals = evenly_spaced(images, MAX_IMAGES)
        z = sample_latents(len(originals), latent_dim, streams["cycle latents"])
        arrays, figures = inspect_reconstructions(generator, encoder, originals, z)
        parts["recon"] = arrays, {**count_known(originals, training_images), **figures}
    return (
        {
            f"{prefix}_{name}": array
            for prefix, (found, _) in parts.items()
            for name, array in found.items()
        },
        {SECTIONS[prefix]: figures for prefix, (_, figures) in parts.items() if figures},
    )
