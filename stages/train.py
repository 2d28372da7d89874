"""Train one of the three networks."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stages.errors import PipelineError
from stages.outputs import save_json, whole
from stages.params import Aegan as AeganParams
from stages.params import read_params

if TYPE_CHECKING:
    import numpy as np

    from stages.gan.training import Gan, Moment
    from stages.params import Network
    from stages.progress import TrainingProgress
    from stages.tracking import Run

COLUMNS = 8


@click.command()
@click.argument("name", type=click.Choice(["dcgan819", "dcgan14000", "aegan"]))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("story", type=click.Path(path_type=Path))
def train(name: str, pictures: Path, model: Path, story: Path) -> None:
    """Train the network NAME on PICTURES into the folder MODEL.

    The folder STORY gets what happened: history.csv (a row after each epoch and snapshot),
    samples.npz (the fixed latents, drawn at each snapshot) and run.json (machine, time).
    """
    params = read_params("seed", "lr", "precision", name)
    network: Network = getattr(params, name)

    import numpy as np
    import torch

    from stages.datasets import load_pictures
    from stages.gan import training
    from stages.gan.device import be_exact, choose_device, choose_precision
    from stages.gan.networks import count_parameters
    from stages.gan.randomness import Streams
    from stages.gan.weights import save_networks
    from stages.progress import TrainingProgress
    from stages.provenance import machine, provenance
    from stages.tracking import tracked

    with tracked(f"train_{name}", params) as run:
        data = load_pictures(pictures)
        if len(data) < network.batch_size:
            raise PipelineError(
                f"{name}.batch_size is {network.batch_size}, but {pictures} holds only "
                f"{len(data)} pictures; lower the one or enlarge the other."
            )
        device = choose_device()
        precision = choose_precision(params.precision, device)
        be_exact(params.seed)
        lr = params.lr if network.lr is None else network.lr
        gan = build(network, lr, resolution=data.shape[1])
        schedule = training.Schedule(
            len(data), network.batch_size, network.epochs, network.snapshots
        )
        sizes = {f"{part}_parameters": count_parameters(net) for part, net in gan.networks.items()}
        facts = {**machine(device), "precision": precision, **sizes}
        run.facts(facts)

        moments = training.train(
            gan, torch.from_numpy(np.array(data)), schedule, Streams(params.seed), device, precision
        )
        with TrainingProgress(name, schedule) as progress:
            epochs, samples = watch(moments, story / "history.csv", progress, run)

        with whole(story / "samples.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, epochs=epochs, pictures=samples)
        with whole(model) as temporary:
            configuration = {
                "network": name,
                "latent_dim": network.latent_dim,
                "width": network.width,
                "resolution": data.shape[1],
            }
            save_networks(temporary, gan.networks, configuration)
        save_json(
            story / "run.json",
            {
                "params": {**params.resolved(), f"{name}.lr": lr},
                "pictures": len(data),
                "epochs": round(schedule.steps / schedule.steps_per_epoch, 4),
                "steps": schedule.steps,
                "seconds": round(progress.seconds, 1),
                "pictures_per_second": round(progress.pictures_per_second(schedule.steps), 1),
                **facts,
                **provenance(),
            },
        )


def build(network: Network, lr: float, resolution: int) -> Gan:
    """The family that NETWORK's parameters describe, at RESOLUTION pixels a side.

    Each family is imported for itself alone: a change of the one must not retrain the other.
    """
    if isinstance(network, AeganParams):
        from stages.gan.aegan import Aegan

        return Aegan(network, lr, resolution)
    from stages.gan.dcgan import Dcgan

    return Dcgan(network, lr, resolution)


def watch(
    moments: Iterable[Moment], history: Path, progress: TrainingProgress, run: Run
) -> tuple[np.ndarray, np.ndarray]:
    """Follow MOMENTS to their end: HISTORY grows, PROGRESS shows, RUN is told.

    Returns the epochs of the snapshots (S,) and their samples (S, 64, R, R, 3) uint8.
    """
    import numpy as np

    from stages.pictures.grids import grid

    history.parent.mkdir(parents=True, exist_ok=True)
    history.unlink(missing_ok=True)
    epochs, samples = [], []
    for moment in moments:
        progress.step(moment)
        if moment.means is not None:
            append(history, {"epoch": moment.epoch, "step": moment.step, **moment.means})
            speed = progress.pictures_per_second(moment.step)
            told = {**moment.means, "epoch": moment.epoch, "pictures_per_second": speed}
            run.metrics(told, step=moment.step)
        if moment.samples is not None:
            epochs.append(moment.epoch)
            samples.append(moment.samples.numpy())
            run.picture("samples", grid(samples[-1], COLUMNS), step=moment.step)
    return np.array(epochs), np.stack(samples)


def append(table: Path, row: dict[str, float | int]) -> None:
    """Add ROW to the CSV TABLE at once, so that a person can watch it grow."""
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow({k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()})


if __name__ == "__main__":
    train()
