"""Train one of the networks."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.arrays import load_images
from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import NetworkName, Params, read_networks, read_params

if TYPE_CHECKING:
    import numpy as np

    from pokegan.compute.distributed import ProcessGroup
    from pokegan.compute.randomness import Streams
    from pokegan.core.checkpoint import Checkpoint
    from pokegan.core.schema import GanParams
    from pokegan.training.gan import Gan
    from pokegan.training.history import TrainingHistory
    from pokegan.training.loop import Training


@click.command()
@click.argument("name", type=NetworkName())
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="MINUTES",
    envvar="POKEGAN_SAVE_EVERY",
    show_envvar=True,
    help="Time between two checkpoints, from which an interrupted training resumes.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="POKEGAN_PROCESSES",
    show_envvar=True,
    help="Number of processes on this machine that share each batch: one per GPU.",
)
def train(
    name: str, pictures: Path, model: Path, folder: Path, save_every: float, processes: int
) -> None:
    """Train the network NAME on PICTURES (.npy).

    The folder MODEL receives the networks and the snapshots of the generator; FOLDER receives
    history.csv (a row per epoch and snapshot), samples.npz (images of the fixed latents at each
    snapshot, and augmented pictures, if any) and run.json (parameters, machine, duration).

    After Ctrl-C, SIGTERM or a crash, the same command resumes the training.
    """
    params = read_params("seed", read_networks()[name].lr, "precision", name)
    images = load_images(pictures)
    check_batch_size(name, params, pictures, len(images), processes)

    from pokegan.compute.distributed import is_distributed, launch, process_group
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import provenance
    from pokegan.tracking.run import track_run
    from pokegan.training.history import TrainingHistory
    from pokegan.training.monitor import TrainingMonitor, run_training

    if processes > 1 and not is_distributed():
        launch(processes, "stages.train")
        return
    with process_group() as group:
        check_batch_size(name, params, pictures, len(images), group.count)
        training, checkpoint = prepare(name, params, images, group)
        state = group.run_on_main(checkpoint.open) or {}
        if state:
            training.load_state_dict(state["training"])
        if not group.is_main:
            try:
                run_training(training)
            except PipelineError:  # the main process reports it
                sys.exit(1)
            return

        steps, batch_size = training.schedule.steps, training.schedule.batch_size
        with (
            track_run(f"train@{name}", params, resume=state.get("run_id")) as run,
            progress_bar(name, steps * batch_size, training.step * batch_size) as bar,
        ):
            facts = describe(training)
            run.set_tags(facts)
            history = TrainingHistory(folder, batch_size)
            monitor = TrainingMonitor(history, bar, run, checkpoint, save_every * 60)
            if state:
                monitor.resume(state)
            run_training(training, monitor)
            save(name, training, history, model)
            record = run_record(name, params, training, monitor.seconds)
            save_json(folder / "run.json", {**record, **facts, **provenance()})
        checkpoint.remove()


def check_batch_size(name: str, params: Params, pictures: Path, count: int, processes: int) -> None:
    """Raise a PipelineError unless the images fill a batch that the processes can share."""
    batch_size = params[name].batch_size
    if count < batch_size:
        raise PipelineError(
            f"{name}.batch_size is {batch_size}, but {pictures} holds only "
            f"{count} pictures; lower the batch size or enlarge the set."
        )
    if batch_size % processes:
        raise PipelineError(
            f"{name}.batch_size is {batch_size}, which {processes} processes cannot share evenly; "
            "change one of the two."
        )


def prepare(
    name: str, params: Params, images: np.ndarray, group: ProcessGroup
) -> tuple[Training, Checkpoint]:
    """Build the networks and their training, and locate its checkpoint."""
    import numpy as np
    import torch

    from pokegan.compute.device import choose_device, choose_precision, set_deterministic
    from pokegan.compute.randomness import Streams
    from pokegan.core.checkpoint import Checkpoint, fingerprint
    from pokegan.training.loop import Schedule, Training

    config, device, streams = params[name], choose_device(), Streams(params.seed)
    precision = choose_precision(params.precision, device)
    set_deterministic(params.seed)
    training = Training(
        build_gan(name, config, shared_lr(name, params), images.shape[1], streams),
        torch.from_numpy(np.array(images)),
        Schedule(len(images), config.batch_size, config.epochs, config.snapshots),
        streams,
        device,
        precision,
        group,
    )
    environment = {"device": device.type, "precision": precision, "processes": group.count}
    decisive = {**params.flat(), **environment, "torch": torch.__version__}
    return training, Checkpoint(f"train@{name}", fingerprint(images, decisive))


def shared_lr(name: str, params: Params) -> float:
    """Return the learning rate that holds where the network's section has none for an optimizer.

    Raises:
        PipelineError: dvc.yaml declares a rate of the section, which is null.
    """
    declared = read_networks()[name].lr
    rate: float | None = params.lr if declared == "lr" else params[name].lr
    if rate is None:
        raise PipelineError(
            f"{name}.lr is null, but dvc.yaml declares no shared rate for {name}; set {name}.lr in "
            "params.yaml, or its lr to lr in dvc.yaml."
        )
    return rate


def build_gan(
    name: str, config: GanParams, shared_lr: float, resolution: int, streams: Streams
) -> Gan:
    """Build a network of the pipeline.

    Only the module of its family is imported, so that a change of another does not retrain it.
    """
    family = read_networks()[name].gan
    module = import_module(f"pokegan.gans.{family}")
    gan: Gan = getattr(module, family.capitalize())(config, shared_lr, resolution, streams)
    return gan


def describe(training: Training) -> dict[str, Any]:
    """Return the machine, the precision, the processes and the sizes of the networks."""
    from pokegan.core.provenance import machine
    from pokegan.networks.architectures import count_parameters

    return {
        **machine(training.device),
        "precision": training.precision,
        "processes": training.processes.count,
        **{f"{part}_parameters": count_parameters(n) for part, n in training.gan.networks.items()},
    }


def save(name: str, training: Training, history: TrainingHistory, model: Path) -> None:
    """Write the history and the networks."""
    from pokegan.networks.weights import save_networks

    gan, images = training.gan, training.images
    history.save(gan.augmentation.examples(images.cpu(), training.streams))
    config = {"network": name, "latent_dim": gan.latent_dim, "resolution": images.shape[1]}
    with atomic_write(model) as temporary:
        save_networks(temporary, training.networks, training.configs, config, history.snapshots)


def run_record(name: str, params: Params, training: Training, seconds: float) -> dict[str, Any]:
    """Return the parameters, with the learning rates that result from them, and the duration."""
    schedule = training.schedule
    lr_generator, lr_discriminator = params[name].learning_rates(shared_lr(name, params))
    rates = {f"{name}.lr_generator": lr_generator, f"{name}.lr_discriminator": lr_discriminator}
    return {
        "params": {**params.flat(), **rates},
        "pictures": schedule.images,
        "epochs": round(schedule.steps / schedule.steps_per_epoch, 4),
        "steps": schedule.steps,
        "seconds": round(seconds, 1),
        "pictures_per_second": round(schedule.steps * schedule.batch_size / seconds, 1),
    }


if __name__ == "__main__":
    train()
