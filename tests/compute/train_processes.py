"""Train one step of every family, plain and augmented, in any number of processes.

Run by test_distributed.py: python -m tests.compute.train_processes <folder>, alone or by torchrun.
"""

import sys
from pathlib import Path

import torch

from pokegan.compute.distributed import all_reduce_mean, process_group
from pokegan.compute.randomness import Streams
from tests.conftest import STRENGTHS, augmentation
from tests.models import NAMES, make_gan

CASES = [(name, kinds) for name in NAMES for kinds in ((), STRENGTHS)]


def train(folder: Path) -> None:
    """Write <folder>/<processes>.pt: measures, gradients and buffers per case, and results of collectives."""
    with process_group() as group:
        found = {}
        for name, kinds in CASES:
            streams = Streams(1)
            gan = make_gan(name, prepare=True, augmentation=augmentation(*kinds), label_noise=0.1)
            real = torch.rand(12, 3, 32, 32, generator=streams["images"]) * 2 - 1
            inputs = gan.sample_inputs(12, streams)
            shards = {key: group.shard(each) for key, each in inputs.items()}
            measures = gan.step(group.shard(real), shards)
            means = {key: all_reduce_mean(value.clone()) for key, value in measures.items()}
            for part, network in gan.networks.items():
                parameters, buffers = network.named_parameters(), network.named_buffers()
                means |= {
                    f"{part}.{key}, gradient": p.grad for key, p in parameters if p.requires_grad
                }
                means |= {f"{part}.{key}": each for key, each in buffers}
            found[f"{name} {kinds}"] = means
        found["collectives"] = (
            group.count,
            group.all_reduce_max(10 + group.rank),
            group.gather(group.rank),
            group.run_on_main(lambda: f"of process {group.rank}"),
        )
        if group.is_main:
            torch.save(found, folder / f"{group.count}.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
