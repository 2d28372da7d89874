"""How fast scoring is: Fréchet distances beside matrix roots, encoding beside the bare network."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import click
import numpy as np
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from benchmarks.training import seconds
from pokegan.compute.device import choose_device, set_deterministic
from pokegan.core.provenance import machine
from pokegan.encoders.effnet_lite0 import Encoder
from pokegan.metrics.distances import frechet_distance
from pokegan.metrics.encoding import BATCH_SIZE, encode

PICTURES, DIMENSIONS = 1024, 2048
ENCODED = 128


def by_matrix_root(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance as it is usually written, by scipy.linalg.sqrtm of D×D."""
    covariances = np.cov(first.T), np.cov(second.T)
    shift = first.mean(axis=0) - second.mean(axis=0)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(shift @ shift + sum(map(np.trace, covariances)) - 2 * np.trace(root))


def by_torch_fidelity(first: np.ndarray, second: np.ndarray) -> float:
    """The same by torch-fidelity, from eigenvalues of D×D."""
    moments = (fid_features_to_statistics(torch.from_numpy(x)) for x in (first, second))
    (distance,) = fid_statistics_to_metric(*moments, verbose=False).values()
    return float(distance)


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
def main(rounds: int) -> None:
    """Measure in turns, and print medians; ratios first."""
    set_deterministic(1)
    device = choose_device()
    rng = np.random.default_rng(1)
    first = rng.normal(size=(PICTURES, DIMENSIONS)).astype(np.float32)
    second = (rng.normal(size=(PICTURES, DIMENSIONS)) * 1.2 + 0.1).astype(np.float32)
    encoder = Encoder(device)
    small = rng.integers(0, 256, (ENCODED, 64, 64, 3), dtype=np.uint8)
    ready = encoder.normalize(torch.from_numpy(small).to(device))
    ready = ready.contiguous(memory_format=torch.channels_last)

    def bare(batch: int) -> Callable[[], object]:
        @torch.inference_mode()
        def run() -> None:
            for part in ready.split(batch):
                encoder.network(part)

        return run

    turns: dict[str, Callable[[], object]] = {
        "ours": lambda: frechet_distance(first, second),
        "sqrtm": lambda: by_matrix_root(first, second),
        "torch-fidelity": lambda: by_torch_fidelity(first, second),
        "encode": lambda: encode(encoder, small, device),
        "bare": bare(BATCH_SIZE[device.type]),
        "bare, 64": bare(64),
    }
    for name in ("ours", "encode", "bare"):
        turns[name]()
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            times[name].append(seconds(turn))
    median = {name: statistics.median(each) for name, each in times.items()}
    distances = frechet_distance(first, second), by_matrix_root(first, second)

    facts = machine(device)
    click.echo(f"{facts['device_name']}, {facts['threads']} threads, torch {torch.__version__}\n")
    click.echo("| measure | |\n| --- | ---: |")
    for measure, value in {
        "**scipy's matrix root ÷ ours, in time**": f"**{median['sqrtm'] / median['ours']:.0f}**",
        "torch-fidelity ÷ ours, in time": f"{median['torch-fidelity'] / median['ours']:.0f}",
        "**encoding ÷ bare network, pictures/s**": f"**{median['bare'] / median['encode']:.2f}**",
        "Fréchet distance, ours": f"{median['ours']:.2f} s",
        "… by scipy.linalg.sqrtm": f"{median['sqrtm']:.1f} s",
        "… by torch-fidelity": f"{median['torch-fidelity']:.1f} s",
        "… how far ours is from sqrtm's": f"{abs(distances[0] / distances[1] - 1):.0e}",
        "encoding, 64² to features": f"{ENCODED / median['encode']:.0f} pictures/s",
        f"bare network, batch {BATCH_SIZE[device.type]}": f"{ENCODED / median['bare']:.0f} pictures/s",
        "bare network, batch 64": f"{ENCODED / median['bare, 64']:.0f} pictures/s",
    }.items():
        click.echo(f"| {measure} | {value} |")


if __name__ == "__main__":
    main()
