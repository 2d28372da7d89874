"""All analyses of one trained network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pokegan.analysis.comparison import MAX_COMPARED, compare_images
from pokegan.analysis.copies import MAX_SEARCHED, find_copies
from pokegan.analysis.discriminators import PROBED_KINDS, compare_with_untrained
from pokegan.analysis.latent_space import explore_latent_space
from pokegan.analysis.probing import Task
from pokegan.analysis.reconstruction import MAX_IMAGES, count_known, measure_reconstructions
from pokegan.analysis.subset import evenly_spaced
from pokegan.compute.randomness import Streams
from pokegan.metrics.lpips import Vectors
from pokegan.networks.factory import build_network
from pokegan.networks.sampling import generate_images, sample_latents
from pokegan.networks.weights import load_generator, load_network

# Prefix of arrays → section of figures.
SECTIONS = {
    "copies": "copies",
    "comparison": "comparison",
    "recon": "reconstruction",
    "filters": "discriminator",
}


def inspect_network(
    model: Path,
    device: torch.device,
    seed: int,
    vectors: Vectors,
    training_images: np.ndarray,
    species: np.ndarray,
    originals: int,
    images: np.ndarray,
    task: Task,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run the analyses that the networks of a model allow.

    Generated images are compared with the training images, each of a species, by LPIPS of
    `vectors`; of the training images, the first `originals` are no augmented copies. `images` are
    reconstructed, and classified as the task defines. `progress` is called with the number of
    training images that were compared. Returns arrays with the prefix of their analysis, and
    figures in sections.
    """
    generator, config = load_generator(model)
    generator.to(device)
    networks, latent_dim, streams = config["networks"], config["latent_dim"], Streams(seed)
    z = sample_latents(MAX_COMPARED, latent_dim, streams["matched latents"])
    generated = generate_images(generator, z).numpy()
    searched, reals = generated[:MAX_SEARCHED], training_images[:originals]
    parts = {
        "copies": find_copies(searched, training_images, species, vectors, device, progress),
        "comparison": compare_images(generated, reals, vectors, device, seed),
    }
    if latent_dim > 1:
        parts["latent"] = explore_latent_space(generator, latent_dim, streams), {}
    if networks.get("discriminator", {}).get("kind") in PROBED_KINDS:
        trained = load_network(model, "discriminator").to(device)
        untrained = build_network(networks["discriminator"], streams, "discriminator").to(device)
        parts["filters"] = compare_with_untrained(trained, untrained, images, task, seed)
    if "encoder" in networks:
        encoder = load_network(model, "encoder").to(device)
        pictures = evenly_spaced(images, MAX_IMAGES)
        z = sample_latents(len(pictures), latent_dim, streams["cycle latents"])
        found, figures = measure_reconstructions(generator, encoder, pictures, z)
        parts["recon"] = found, count_known(pictures, training_images) | figures
    arrays = {f"{part}_{key}": a for part, (found, _) in parts.items() for key, a in found.items()}
    return arrays, {SECTIONS[part]: found for part, (_, found) in parts.items() if found}
