"""What a discriminator has come to see: the features of its layers, its first filters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, cosine_similarity

from pokegan.compute.distributed import BatchNorm
from pokegan.networks.sampling import from_uint8

GRID = 4  # pixels a side that each map is pooled to
SHOWN = 64  # filters, at most
BATCH = 64


@torch.no_grad()
def calibrate(discriminator: nn.Module, pictures: np.ndarray) -> None:
    """Let batch norm in an untrained DISCRIMINATOR know PICTURES (N, R, R, 3) uint8.

    Its running mean and variance become those over all batches; nothing else is changed. Without,
    its layers would not be centred, and it would be a weaker control than it need be.
    """
    discriminator.eval()
    norms = [each for each in discriminator.modules() if isinstance(each, BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
        norm.train()
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + BATCH]))
        discriminator(from_uint8(batch.to(next(discriminator.parameters()).device)))
    discriminator.eval()


@torch.inference_mode()
def layer_features(discriminator: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """What the hidden layers of DISCRIMINATOR say of PICTURES (N, R, R, 3) uint8: (N, D) float32.

    As Radford et al. 2016, section 5.1: the maps of all convolutions, max-pooled to 4×4 each, side
    by side (D = 15360 at width 64 and 64 pixels). Dense layers have no maps, and count as they are.
    """
    found: list[Tensor] = []

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        maps = output.dim() == 4
        found.append(adaptive_max_pool2d(output, GRID).flatten(1) if maps else output.clone())

    activations = [each for each in discriminator.modules() if isinstance(each, nn.LeakyReLU)]
    hooks = [each.register_forward_hook(keep) for each in activations]
    device = next(discriminator.parameters()).device
    batches = []
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + BATCH])).to(device)
        discriminator(from_uint8(batch))
        batches.append(torch.cat(found, dim=1).cpu())
        found.clear()
    for hook in hooks:
        hook.remove()
    return torch.cat(batches).numpy()


@torch.inference_mode()
def first_filters(discriminator: nn.Module) -> Tensor:
    """The filters of the first layer of DISCRIMINATOR: (F, 3, K, K), on the CPU.

    K is the kernel's side, or the picture's where the layer is dense.
    """
    layers = (nn.Conv2d, nn.Linear)
    first = next(each for each in discriminator.modules() if isinstance(each, layers))
    weight: Tensor = first.weight.detach().cpu()
    side = weight.shape[-1] if weight.dim() == 4 else round((weight.shape[1] / 3) ** 0.5)
    return weight.reshape(-1, 3, side, side)


def filter_pictures(filters: Tensor) -> np.ndarray:
    """The first 64 of FILTERS (F, 3, K, K) as pictures: (≤ 64, K, K, 3) uint8.

    Grey is zero; each filter is scaled by its own largest weight.
    """
    shown = filters[:SHOWN]
    largest = shown.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    scaled = shown.div(largest).mul(127.5).add(127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def likeness(filters: Tensor, others: Tensor) -> float:
    """The mean cosine between FILTERS (F, 3, K, K) and their OTHERS: 1 where none has turned."""
    return float(cosine_similarity(filters.flatten(1), others.flatten(1)).mean())
