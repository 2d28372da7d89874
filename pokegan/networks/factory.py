"""Build networks and optimizers from parameters."""

from typing import Any

import torch
from torch import nn

from pokegan.compute.distributed import BatchNorm
from pokegan.compute.randomness import Streams
from pokegan.core.schema import DcganParams, GanParams
from pokegan.networks import architectures, fastgan, projected
from pokegan.networks.spectral_norm import apply_spectral_norm

# Entry of a network in config.json: class ("kind"), its arguments, spectral_norm.
NetworkConfig = dict[str, Any]
KINDS = vars(architectures) | vars(fastgan) | vars(projected)
# Networks whose layers keep PyTorch's initialization.
DEFAULT_WEIGHTS = (fastgan.FastGanGenerator, projected.ProjectedDiscriminator)


def generator_config(params: DcganParams, resolution: int) -> NetworkConfig:
    """Return the configuration of the generator of images with this side."""
    config = {
        "latent_dim": params.latent_dim,
        "width": params.width,
        "resolution": resolution,
        "normalization": params.normalization_generator,
        "dropout": params.dropout_generator,
    }
    if params.architecture == "mlp":
        return {"kind": "DenseGenerator", **config}
    layers = {"upsampling": params.upsampling, "head": params.head_generator}
    return {"kind": "Generator", **config, **layers}


def discriminator_config(params: DcganParams, resolution: int) -> NetworkConfig:
    """Return the configuration of the discriminator of images with this side."""
    config = {
        "width": params.width,
        "resolution": resolution,
        "normalization": params.normalization_discriminator,
        "dropout": params.dropout_discriminator,
        "spectral_norm": params.spectral_norm,
    }
    if params.architecture == "mlp":
        return {"kind": "DenseDiscriminator", **config}
    return {"kind": "Discriminator", **config, "head": params.head_discriminator}


def build_network(
    config: NetworkConfig, streams: Streams | None = None, name: str = ""
) -> nn.Module:
    """Build a network on the CPU.

    Its initial weights come from the random streams of its name; without streams, they are
    arbitrary.
    """
    arguments = dict(config)
    kind, spectral = arguments.pop("kind"), arguments.pop("spectral_norm", False)
    network: nn.Module = KINDS[kind](**arguments)
    if streams:
        initialize(network, streams, name)
    if spectral:
        with (streams or Streams(0)).as_global_rng(f"spectral norm of {name}"):
            apply_spectral_norm(network)
    return network


def initialize(network: nn.Module, streams: Streams, name: str) -> None:
    """Initialize weights like Radford et al. 2016, section 4: N(0, 0.02²), scales N(1, 0.02²).

    Layers in a module named `dense` keep PyTorch's defaults: the signal of several narrow layers
    would vanish. So do the networks of a projected GAN. Each layer has its own random streams, so
    that a change of one layer does not affect the initial weights of the others.
    """
    is_default = isinstance(network, DEFAULT_WEIGHTS)
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    norms = (BatchNorm, nn.GroupNorm)
    # Numbered by kind: indices in a Sequential change with every module inserted before.
    for number, (path, module) in enumerate(_modules(network, layers)):
        with streams.as_global_rng(f"initial weights of {name}, layer {number}"):
            module.reset_parameters()
        if not (is_default or path.startswith("dense")):
            # A stream of its own: how much of the former one is used depends on the bias.
            with streams.as_global_rng(f"initial weights of {name}, kernel {number}"):
                nn.init.normal_(module.weight, 0.0, 0.02)
    for number, (_, module) in enumerate([] if is_default else _modules(network, norms)):
        with streams.as_global_rng(f"initial weights of {name}, norm {number}"):
            nn.init.normal_(module.weight, 1.0, 0.02)


def _modules(network: nn.Module, kinds: tuple[type, ...]) -> list[tuple[str, Any]]:
    return [(path, each) for path, each in network.named_modules() if isinstance(each, kinds)]


def make_optimizer(
    params: GanParams, lr: float, networks: list[nn.Module]
) -> torch.optim.Optimizer:
    """Create an optimizer of all parameters of networks, which must be on their device already.

    Adam uses both betas, RMSprop the second as its smoothing constant alpha.
    """
    every = [each for network in networks for each in network.parameters()]
    parameters = [each for each in every if each.requires_grad]
    common: dict[str, Any] = {"lr": lr, "weight_decay": params.weight_decay}
    common["capturable"] = parameters[0].is_cuda  # by a CUDA graph
    beta1, beta2 = params.betas
    if params.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, alpha=beta2, foreach=True, **common)
    return torch.optim.Adam(parameters, betas=(beta1, beta2), fused=True, **common)
