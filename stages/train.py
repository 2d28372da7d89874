"""Train one of the three networks."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import NetworkName, read_params
from pokegan.core.schema import AeganParams
from pokegan.core.signals import GracefulInterrupt, leave

if TYPE_CHECKING:
    from torch import Tensor

    from pokegan.compute.randomness import Streams
    from pokegan.core.checkpoint import Checkpoint
    from pokegan.core.schema import GanParams
    from pokegan.core.progress import TrainingProgress
    from pokegan.tracking.run import Run
    from pokegan.training.history import Row, Story
    from pokegan.training.gan import Gan
    from pokegan.training.loop import StepResult, Training

COLUMNS = 8


@click.command()
@click.argument("name", type=NetworkName())
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("story", type=click.Path(path_type=Path))
@click.option(
    "--save-every",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="MINUTES",
    envvar="POKEGAN_SAVE_EVERY",
    show_envvar=True,
    help="How often the state is saved that a stopped training goes on from.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="POKEGAN_PROCESSES",
    show_envvar=True,
    help="How many processes on this machine share each batch: one a GPU.",
)
def train(
    name: str, pictures: Path, model: Path, story: Path, save_every: float, processes: int
) -> None:
    """Train the network NAME on PICTURES into the folder MODEL: networks and, below snapshots/,
    the generator at moments of its training.

    The folder STORY gets what happened: history.csv (a row after each epoch and snapshot),
    samples.npz (the fixed latents, drawn at each snapshot, and what the discriminator sees of true
    pictures if they are augmented for it) and run.json (machine, time).

    Stopped by Ctrl-C, SIGTERM or a crash, the same command goes on where it stood.
    """
    params = read_params("seed", "lr", "precision", name)
    network: GanParams = getattr(params, name)
    check_shares(name, network, processes)

    import numpy as np
    import torch

    from pokegan.compute.device import choose_device, choose_precision, set_deterministic
    from pokegan.compute.distributed import is_distributed, launch, process_group
    from pokegan.compute.randomness import Streams
    from pokegan.core.arrays import load_images
    from pokegan.core.checkpoint import Checkpoint, fingerprint
    from pokegan.core.progress import TrainingProgress
    from pokegan.core.provenance import machine, provenance
    from pokegan.networks.architectures import count_parameters
    from pokegan.networks.weights import save_networks
    from pokegan.tracking.run import track_run
    from pokegan.training.diffaugment import Augmentation
    from pokegan.training.history import Story
    from pokegan.training.loop import Schedule, Training
    from stages.turns import gpus_to_itself

    data = load_images(pictures)
    if len(data) < network.batch_size:
        raise PipelineError(
            f"{name}.batch_size is {network.batch_size}, but {pictures} holds only "
            f"{len(data)} pictures; lower the one or enlarge the other."
        )
    if processes > 1 and not is_distributed():
        with gpus_to_itself(processes):
            launch(processes, "stages.train")
        return
    with nullcontext() if is_distributed() else gpus_to_itself(1), process_group() as group:
        check_shares(name, network, group.count)
        device = choose_device()
        precision = choose_precision(params.precision, device)
        set_deterministic(params.seed)
        streams = Streams(params.seed)
        gan = build(network, params.lr, data.shape[1], streams)
        schedule = Schedule(len(data), network.batch_size, network.epochs, network.snapshots)
        resident = torch.from_numpy(np.array(data))
        training = Training(
            gan,
            resident,
            schedule,
            streams,
            device,
            precision,
            network.ema,
            group,
        )
        computed = {"device": device.type, "precision": precision, "processes": group.count}
        rates = network.learning_rates(params.lr)
        decisive = {**params.flat(), **computed, "rates": rates, "torch": torch.__version__}
        checkpoint = Checkpoint(f"train_{name}", fingerprint(data, decisive))
        state = group.run_on_main(checkpoint.open) or {}
        if state:
            training.load_state_dict(state["training"])
        if not group.is_main:
            try:
                follow(training)
            except PipelineError:  # the process that writes says it
                sys.exit(1)
            return

        with track_run(f"train_{name}", params, resume=state.get("run_id")) as run:
            sizes = {f"{part}_parameters": count_parameters(n) for part, n in gan.networks.items()}
            facts = {**machine(device), **computed, **sizes}
            run.set_tags(facts)
            tale = Story(story, network.batch_size)
            if state:
                tale.load_state_dict(state["story"])
                click.echo(f"{name}: goes on after step {training.step}", err=True)
            with TrainingProgress(name, schedule, training.step, state.get("seconds", 0)) as shown:
                watch = TrainingMonitor(tale, shown, run, checkpoint, save_every * 60)
                watch.saved_step = training.step
                for row, samples in tale.readings():
                    watch.tell(row, samples)
                follow(training, watch)

            tale.finish(Augmentation(network.augmentation).examples(resident, streams))
            with atomic_write(model) as temporary:
                told = {
                    "network": name,
                    "latent_dim": network.latent_dim,
                    "resolution": data.shape[1],
                }
                save_networks(temporary, training.networks, training.configs, told, tale.snapshots)
            save_json(
                story / "run.json",
                {
                    "params": {
                        **params.flat(),
                        f"{name}.lr_generator": rates[0],
                        f"{name}.lr_discriminator": rates[1],
                    },
                    "pictures": len(data),
                    "epochs": round(schedule.steps / schedule.steps_per_epoch, 4),
                    "steps": schedule.steps,
                    "seconds": round(shown.seconds, 1),
                    "pictures_per_second": round(
                        schedule.steps * network.batch_size / shown.seconds, 1
                    ),
                    **facts,
                    **provenance(),
                },
            )
        checkpoint.remove()


def check_shares(name: str, network: GanParams, processes: int) -> None:
    """Raise a PipelineError unless PROCESSES can share a batch evenly."""
    if network.batch_size % processes:
        raise PipelineError(
            f"{name}.batch_size is {network.batch_size}, which {processes} processes cannot share "
            "evenly; change the one or the other."
        )


def build(network: GanParams, shared_lr: float, resolution: int, streams: Streams) -> Gan:
    """The family that NETWORK's parameters describe, at RESOLUTION pixels a side.

    Each family is imported for itself alone: a change of the one must not retrain the other.
    """
    if isinstance(network, AeganParams):
        from pokegan.gans.aegan import Aegan

        return Aegan(network, shared_lr, resolution, streams)
    from pokegan.gans.dcgan import Dcgan

    return Dcgan(network, shared_lr, resolution, streams)


@dataclass
class TrainingMonitor:
    """What the one process that writes does about each moment."""

    story: Story
    progress: TrainingProgress
    run: Run
    checkpoint: Checkpoint
    seconds_between: float
    saved: float = field(default_factory=time.monotonic)
    saved_step: int = 0

    def see(self, moment: StepResult) -> None:
        """Show, keep and tell MOMENT."""
        self.progress.step(moment)
        before = self.story.rows[-1]["collapsed"] if self.story.rows else 0
        row = self.story.add(moment, self.progress.seconds)
        if row is None:
            return
        self.tell(row, moment.samples)
        if row["collapsed"] and not before:
            self.run.set_tags({"collapsed": f"at step {moment.step}"})
            self.progress.say(
                f"Warning: at step {moment.step} the samples are nearly alike (diversity "
                f"{row['diversity']:.2f} of the true pictures' own): the generator has collapsed."
            )

    def tell(self, row: Row, samples: Tensor | None) -> None:
        """Tell MLflow ROW, and the SAMPLES (64, R, R, 3) of its moment; never the same twice."""
        from pokegan.core.grids import grid

        step = int(row["step"])
        if samples is not None:
            self.run.log_image("samples", grid(samples.numpy(), COLUMNS), step=step)
        self.run.log_metrics(row, step=step)

    def is_due(self, last: bool) -> bool:
        """True when it is time to save; after the LAST step always."""
        return last or time.monotonic() - self.saved >= self.seconds_between

    def save(self, training: dict[str, Any]) -> None:
        """Put the state of TRAINING, and what has been told of it, on the disk."""
        saved = self.checkpoint.save(
            {
                "training": training,
                "story": self.story.state_dict(),
                "seconds": self.progress.seconds,
                "run_id": self.run.id,
            }
        )
        self.saved = time.monotonic()
        if saved:
            self.saved_step = training["step"]


def follow(training: Training, watch: TrainingMonitor | None = None) -> None:
    """Go with TRAINING to its end, and on one of its processes WATCH.

    A signal ends it after the step that is under way, with its state saved.
    """
    import torch

    from pokegan.training.loop import DivergedError

    group, last = training.processes, training.schedule.steps
    try:
        with GracefulInterrupt() as interruption:
            for moment in training.moments():
                due = False
                if watch:
                    watch.see(moment)
                    due = watch.is_due(last=moment.step == last)
                # All processes do the same: the most urgent wish of any, a signal before a save.
                wish = group.all_reduce_max(2 * interruption.requested + due)
                if not wish:
                    continue
                with interruption.deferred():
                    state = training.state_dict()
                    if watch:
                        watch.save(state)
                    group.all_reduce_max(
                        0
                    )  # none leaves, or is told to, before the state is on the disk
                if wish > 1:
                    if watch:
                        watch.progress.say(
                            f"Stopped after step {moment.step}; run it again to go on after step "
                            f"{watch.saved_step}."
                        )
                    leave(wish // 2)
    except DivergedError as fault:
        if watch and watch.saved_step:
            raise DivergedError(
                f"{fault.message} The last good state, of step {watch.saved_step}, stays in "
                f"{watch.checkpoint.path}; changed parameters begin anew."
            ) from fault
        raise
    except torch.OutOfMemoryError as fault:
        raise PipelineError(
            "The device's memory is full; lower the network's batch_size or width, or "
            "prepare.resolution."
        ) from fault


if __name__ == "__main__":
    train()
