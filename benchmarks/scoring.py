"""Speed of scoring: Fréchet distances against matrix roots, encoding against the bare network."""

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
from pokegan.metrics.encoding import BATCH_PIXELS, encode

IMAGES, DIMENSIONS = 1024, 2048
ENCODED = 128


def by_sqrtm(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance as pytorch-fid computes it, by scipy.linalg.sqrtm of a D×D matrix."""
    covariances = np.cov(first.T), np.cov(second.T)
    shift = first.mean(axis=0) - second.mean(axis=0)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(shift @ shift + sum(map(np.trace, covariances)) - 2 * np.trace(root))


def by_torch_fidelity(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance by torch-fidelity, from the eigenvalues of a D×D matrix."""
    moments = (fid_features_to_statistics(torch.from_numpy(x)) for x in (first, second))
    (distance,) = fid_statistics_to_metric(*moments, verbose=False).values()
    return float(distance)


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
def main(rounds: int) -> None:
    """Print medians of several rounds as a table."""
    set_deterministic(1)
    device = choose_device()
    rng = np.random.default_rng(1)
    first = rng.normal(size=(IMAGES, DIMENSIONS)).astype(np.float32)
    second = (rng.normal(size=(IMAGES, DIMENSIONS)) * 1.2 + 0.1).astype(np.float32)
    encoder = Encoder(device)
    images = rng.integers(0, 256, (ENCODED, 64, 64, 3), dtype=np.uint8)
    inputs = encoder.normalize(torch.from_numpy(images).to(device))
    batch_size = BATCH_PIXELS[device.type] // encoder.side**2

    @torch.inference_mode()
    def run_network(size: int) -> None:
        for batch in inputs.split(size):
            encoder.network(batch)

    measured: dict[str, Callable[[], object]] = {
        "svd": lambda: frechet_distance(first, second),
        "sqrtm": lambda: by_sqrtm(first, second),
        "torch-fidelity": lambda: by_torch_fidelity(first, second),
        "encode": lambda: encode(encoder, images, device),
        "network": lambda: run_network(batch_size),
        "network, 64": lambda: run_network(64),
    }
    for name in ("svd", "encode", "network"):  # warm-up
        measured[name]()
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, function in measured.items():
            times[name].append(seconds(function))
    median = {name: statistics.median(each) for name, each in times.items()}
    difference = abs(frechet_distance(first, second) / by_sqrtm(first, second) - 1)
    speed = {name: ENCODED / median[name] for name in ("encode", "network", "network, 64")}

    facts = machine(device)
    click.echo(f"{facts['device_name']}, {facts['threads']} threads, torch {torch.__version__}\n")
    click.echo("| measure | |\n| --- | ---: |")
    for measure, value in {
        "**time of `scipy.linalg.sqrtm` ÷ ours**": f"**{median['sqrtm'] / median['svd']:.0f}**",
        "time of torch-fidelity ÷ ours": f"{median['torch-fidelity'] / median['svd']:.0f}",
        "**speed of encoding ÷ bare network**": f"**{speed['encode'] / speed['network']:.2f}**",
        "Fréchet distance, ours": f"{median['svd']:.2f} s",
        "Fréchet distance by `scipy.linalg.sqrtm`": f"{median['sqrtm']:.1f} s",
        "Fréchet distance by torch-fidelity": f"{median['torch-fidelity']:.1f} s",
        "relative difference from `scipy.linalg.sqrtm`": f"{difference:.0e}",
        "encoding, 64×64 pixels to features": f"{speed['encode']:.0f} images/s",
        f"bare network, batch size {batch_size}": f"{speed['network']:.0f} images/s",
        "bare network, batch size 64": f"{speed['network, 64']:.0f} images/s",
    }.items():
        click.echo(f"| {measure} | {value} |")


if __name__ == "__main__":
    main()
