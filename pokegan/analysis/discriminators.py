"""Features and filters of a discriminator, before and after its training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, cosine_similarity

from pokegan.analysis.probing import Task, linear_probe, summarize
from pokegan.compute.distributed import BatchNorm
from pokegan.networks.sampling import from_uint8

# Kinds of discriminators (`kind` in config.json) whose hidden layers end in a LeakyReLU.
PROBED_KINDS = ("Discriminator", "DenseDiscriminator")
POOLED_SIZE = 4  # pixels per side of a feature map
MAX_FILTERS = 64
BATCH_SIZE = 64


def compare_with_untrained(
    trained: nn.Module, untrained: nn.Module, images: np.ndarray, task: Task, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Compare a discriminator with itself before its training.

    Returns the first filters of both as images, and figures: the similarity of the filters and, if
    the task is possible, how well the features of both predict types.
    """
    calibrate(untrained, images)
    networks = {"trained": trained, "untrained": untrained}
    filters = {kind: first_filters(network) for kind, network in networks.items()}
    similarity = mean_similarity(filters["trained"], filters["untrained"])
    figures: dict[str, float] = {"filters": len(filters["trained"]), **task.facts}
    figures["filters_likeness"] = round(similarity, 4)
    if task.is_possible:
        labeled = images[task.rows]
        folds = {
            kind: linear_probe(layer_features(network, labeled), task, seed)[0]
            for kind, network in networks.items()
        }
        folds["gain"] = [
            {score: value - before[score] for score, value in after.items()}
            for after, before in zip(folds["trained"], folds["untrained"], strict=True)
        ]
        for kind, scores in folds.items():
            figures |= summarize(kind, scores)
    return {kind: filter_images(each) for kind, each in filters.items()}, figures


@torch.no_grad()
def calibrate(discriminator: nn.Module, images: np.ndarray) -> None:
    """Set the running statistics of batch norm to the means over all batches of images.

    With the initial statistics, an untrained network would be a weaker baseline than it has to be.
    """
    discriminator.eval()
    norms = [each for each in discriminator.modules() if isinstance(each, BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.train()
    for batch in _batches(discriminator, images):
        discriminator(batch)
    discriminator.eval()


@torch.inference_mode()
def layer_features(discriminator: nn.Module, images: np.ndarray) -> np.ndarray:
    """Concatenate the features of all hidden layers (Radford et al. 2016, section 5.1).

    Feature maps are max-pooled to 4×4. Returns float32 (N, D); D = 15360 at width 64 and 64 pixels.
    """
    found: list[Tensor] = []

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        is_map = output.dim() == 4
        found.append(
            adaptive_max_pool2d(output, POOLED_SIZE).flatten(1) if is_map else output.clone()
        )

    activations = [each for each in discriminator.modules() if isinstance(each, nn.LeakyReLU)]
    hooks = [each.register_forward_hook(keep) for each in activations]
    features = []
    for batch in _batches(discriminator, images):
        discriminator(batch)
        features.append(torch.cat(found, dim=1).cpu())
        found.clear()
    for hook in hooks:
        hook.remove()
    return torch.cat(features).numpy()


def _batches(network: nn.Module, images: np.ndarray) -> Iterator[Tensor]:
    device = next(network.parameters()).device
    for start in range(0, len(images), BATCH_SIZE):
        batch = torch.from_numpy(np.array(images[start : start + BATCH_SIZE]))
        yield from_uint8(batch.to(device))


def first_filters(discriminator: nn.Module) -> Tensor:
    """Return the filters of the first layer: (F, 3, K, K), K = resolution if it is dense."""
    layers: Any = (nn.Conv2d, nn.Linear)
    first = next(each for each in discriminator.modules() if isinstance(each, layers))
    weight: Tensor = first.weight.detach().cpu()
    size = weight.shape[-1] if weight.dim() == 4 else round((weight.shape[1] / 3) ** 0.5)
    return weight.reshape(-1, 3, size, size)


def filter_images(filters: Tensor) -> np.ndarray:
    """Convert up to 64 filters (F, 3, K, K) to images, uint8 (F, K, K, 3).

    Gray is zero; each filter is scaled by its largest absolute weight.
    """
    shown = filters[:MAX_FILTERS]
    largest = shown.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    scaled = shown.div(largest).mul(127.5).add(127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def mean_similarity(filters: Tensor, others: Tensor) -> float:
    """Mean cosine similarity of filters (F, 3, K, K) and their counterparts."""
    return float(cosine_similarity(filters.flatten(1), others.flatten(1)).mean())
