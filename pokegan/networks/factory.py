"""From a description of a network to the network, with its initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pokegan.compute.distributed import BatchNorm
from pokegan.compute.randomness import Streams
from pokegan.networks import architectures as networks
from pokegan.networks.spectral_norm import apply_spectral_norm

if TYPE_CHECKING:
    from pokegan.core.schema import GanParams

# Entry of a network in config.json: its class (kind) in `architectures` and its arguments.
NetworkConfig = dict[str, Any]


def generator_config(params: GanParams, resolution: int) -> NetworkConfig:
    """The generator that PARAMS ask for, at RESOLUTION pixels a side."""
    shape = {
        "latent_dim": params.latent_dim,
        "width": params.width,
        "resolution": resolution,
        "normalization": params.normalization_generator,
        "dropout": params.dropout_generator,
    }
    if params.architecture == "mlp":
        return {"kind": "DenseGenerator", **shape}
    knobs = {"upsampling": params.upsampling, "head": params.head_generator}
    return {"kind": "Generator", **shape, **knobs}


def discriminator_config(params: GanParams, resolution: int) -> NetworkConfig:
    """The discriminator of pictures that PARAMS ask for, at RESOLUTION pixels a side."""
    shape = {
        "width": params.width,
        "resolution": resolution,
        "normalization": params.normalization_discriminator,
        "dropout": params.dropout_discriminator,
        "spectral_norm": params.spectral_norm,
    }
    if params.architecture == "mlp":
        return {"kind": "DenseDiscriminator", **shape}
    return {"kind": "Discriminator", **shape, "head": params.head_discriminator}


def build_network(
    description: NetworkConfig, streams: Streams | None = None, name: str = ""
) -> nn.Module:
    """The network that DESCRIPTION says.

    With STREAMS its weights are those that a training begins with, drawn for NAME; without, they
    are to be loaded.

    Raises:
        KeyError, TypeError: DESCRIPTION is none.
    """
    shape = dict(description)
    kind, spectral = shape.pop("kind"), shape.pop("spectral_norm", False)
    network: nn.Module = {
        each.__name__: each
        for each in (
            networks.Generator,
            networks.Discriminator,
            networks.Encoder,
            networks.LatentDiscriminator,
            networks.DenseGenerator,
            networks.DenseDiscriminator,
            networks.DenseEncoder,
        )
    }[kind](**shape)
    if streams:
        initialize(network, streams, name)
    if spectral:
        with (streams or Streams(0)).as_global_rng(f"spectral norm of {name}"):
            apply_spectral_norm(network)
    return network


def initialize(network: nn.Module, streams: Streams, name: str) -> None:
    """Weights as in Radford et al. 2016, section 4: convolutions and heads from N(0, 0.02).

    The scale of a normalization comes from N(1, 0.02). Stacks of dense layers keep torch's own
    start: at a standard deviation of 0.02 the signal of five narrow layers would vanish. Each
    layer has a stream of its own, so that a change of one layer leaves the others' start alone.
    """
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    norms = (BatchNorm, nn.GroupNorm)
    # Counted each by kind: a place in a Sequential would move with every module put before it.
    for number, (path, module) in enumerate(_of_kind(network, layers)):
        with streams.as_global_rng(f"initial weights of {name}, layer {number}"):
            module.reset_parameters()
        if not path.startswith("dense"):
            # Anew, for whether there is a bias decides how much has been drawn by now.
            with streams.as_global_rng(f"initial weights of {name}, kernel {number}"):
                nn.init.normal_(module.weight, 0.0, 0.02)
    for number, (_, module) in enumerate(_of_kind(network, norms)):
        with streams.as_global_rng(f"initial weights of {name}, norm {number}"):
            nn.init.normal_(module.weight, 1.0, 0.02)


def _of_kind(network: nn.Module, kinds: tuple[type, ...]) -> list[tuple[str, Any]]:
    return [(path, each) for path, each in network.named_modules() if isinstance(each, kinds)]


def make_optimizer(params: GanParams, lr: float, trained: list[nn.Module]) -> torch.optim.Optimizer:
    """The optimizer that PARAMS ask for, over the weights of TRAINED, wherever they are.

    Adam after Kingma and Ba 2015 with both betas; RMSprop after Tieleman and Hinton 2012 with the
    second beta as its smoothing.
    """
    weights = [parameter for network in trained for parameter in network.parameters()]
    common: dict[str, Any] = {"lr": lr, "weight_decay": params.weight_decay}
    # Lets a CUDA graph hold the optimizer's step.
    common["capturable"] = weights[0].is_cuda
    if params.optimizer == "rmsprop":
        return torch.optim.RMSprop(weights, alpha=params.betas[1], foreach=True, **common)
    first, second = params.betas
    return torch.optim.Adam(weights, betas=(first, second), fused=True, **common)
