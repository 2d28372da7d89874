"""Measure the speed of the training loop against a bare loop and the hardware peak.

All loops take turns in one process, and the medians of the turns are printed. Each turn builds its
loop anew, so that no loop shares memory with another. A DCGAN is compared with a usual script, too.
Images: the training set of the network (run `dvc repro augment prepare`).
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import ImageFolder

from pokegan.compute.device import autocast, choose_device, choose_precision, set_deterministic
from pokegan.compute.randomness import Streams
from pokegan.core.arrays import load_images
from pokegan.core.params import NetworkName, load_yaml, read_networks, read_params
from pokegan.core.provenance import machine
from pokegan.core.schema import DcganParams, GanParams, ProjectedParams
from pokegan.data.selection import select
from pokegan.data.sources.archive import read_archive
from pokegan.gans.dcgan import Dcgan
from pokegan.gans.projected import Projected
from pokegan.networks.sampling import from_uint8
from pokegan.training.gan import Gan
from pokegan.training.history import TrainingHistory
from pokegan.training.loop import Schedule, Training

Turn = Callable[[], float]
LR = 0.0002
MATRIX_SIZE = 2048
CONVOLUTION = (16, 128, 64)  # batch size, channels, side of the maps
FILE_RESOLUTION = 256


def seconds(action: Callable[[], object]) -> float:
    """Measure an action, including the work that it leaves queued on the GPU."""
    synchronize()
    start = time.perf_counter()
    action()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def build(config: GanParams, images: np.ndarray, streams: Streams) -> Gan:
    """Build the GAN that a section of params.yaml describes."""
    family = Projected if isinstance(config, ProjectedParams) else Dcgan
    return family(config, LR, images.shape[1], streams)


def training_loop(config: GanParams, images: np.ndarray, precision: str, folder: Path) -> Turn:
    """Return a turn of the training loop: one epoch with its history, in pictures/s."""
    streams = Streams(1)
    gan = build(config, images, streams)
    schedule = Schedule(len(images), config.batch_size, 10_000, 1)
    resident = torch.from_numpy(np.array(images))
    results = Training(gan, resident, schedule, streams, choose_device(), precision).run()
    history = TrainingHistory(folder, config.batch_size)

    def epoch() -> None:
        for _ in range(schedule.steps_per_epoch):
            history.add(next(results), time.perf_counter())

    for _ in range(5):
        next(results)
    return lambda: schedule.steps_per_epoch * config.batch_size / seconds(epoch)


def bare(config: GanParams, images: np.ndarray, precision: str, steps: int) -> Turn:
    """Return a turn of the same two optimization steps on one batch, and nothing else."""
    device = choose_device()
    gan = build(config, images, Streams(1))
    gan.prepare(device, torch.from_numpy(np.array(images)))
    generator, discriminator = gan.networks.values()
    trained = [each for each in discriminator.parameters() if each.requires_grad]
    real = from_uint8(torch.from_numpy(np.array(images[: config.batch_size])).to(device))

    def loop() -> None:
        for _ in range(steps):
            z = torch.randn(len(real), config.latent_dim, device=device)
            with autocast(precision, device):
                fake = generator(z)
                with parametrize.cached():
                    on_real, on_fake = discriminator(real), discriminator(fake.detach())
                errors = functional.softplus(-on_real.float()) + functional.softplus(
                    on_fake.float()
                )
                gan.optimizers["discriminator"].zero_grad()
                errors.mean().backward()
                gan.optimizers["discriminator"].step()
                for each in trained:
                    each.requires_grad_(False)
                error = functional.softplus(-discriminator(fake).float()).mean()
                gan.optimizers["generator"].zero_grad()
                error.backward()
                gan.optimizers["generator"].step()
                for each in trained:
                    each.requires_grad_(True)

    loop()
    return lambda: steps * len(real) / seconds(loop)


def usual(config: GanParams, folder: Path, resolution: int) -> Turn:
    """Return a turn of a usual script: images from files, fp32, losses read in each step."""
    device = choose_device()
    gan = Dcgan(config, LR, resolution, Streams(1))
    generator, discriminator = (part.to(device) for part in gan.networks.values())
    optimizers = [
        torch.optim.Adam(part.parameters(), lr=0.0002, betas=(0.5, 0.9))
        for part in (generator, discriminator)
    ]
    prepared = transforms.Compose(
        [
            transforms.Resize(resolution),
            transforms.CenterCrop(resolution),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    loader = DataLoader(
        ImageFolder(str(folder), prepared),
        batch_size=config.batch_size,
        shuffle=True,
        num_workers=2,
        drop_last=True,
    )
    criterion = nn.BCEWithLogitsLoss()

    def epoch() -> None:
        for batch, _ in loader:
            real = batch.to(device)
            ones = torch.ones(len(real), device=device)
            discriminator.zero_grad()
            on_real = discriminator(real)
            error_real = criterion(on_real, ones)
            error_real.backward()
            fake = generator(torch.randn(len(real), config.latent_dim, device=device))
            error_fake = criterion(discriminator(fake.detach()), 0 * ones)
            error_fake.backward()
            optimizers[1].step()
            generator.zero_grad()
            on_fake = discriminator(fake)
            error = criterion(on_fake, ones)
            error.backward()
            optimizers[0].step()
            for value in (error_real + error_fake, error, on_real.mean(), on_fake.mean()):
                value.item()

    return lambda: len(loader) * config.batch_size / seconds(epoch)


def peak(precision: str) -> Turn:
    """Return a turn of floating-point operations per second: the better of two kinds.

    Large matrix products, and a large convolution in channels-last layout, which libraries
    implement separately.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    random = partial(torch.randn, device=choose_device(), dtype=kind)
    left, right = random(MATRIX_SIZE, MATRIX_SIZE), random(MATRIX_SIZE, MATRIX_SIZE)
    count, channels, side = CONVOLUTION
    maps = random(count, channels, side, side).to(memory_format=torch.channels_last)
    kernel = random(channels, channels, 3, 3).to(memory_format=torch.channels_last)
    actions: dict[Callable[[], Tensor], int] = {
        lambda: left @ right: 2 * MATRIX_SIZE**3,
        lambda: functional.conv2d(maps, kernel, padding=1): 2 * 9 * count * (channels * side) ** 2,
    }

    def rate(action: Callable[[], Tensor], operations: int) -> float:
        repeated = partial(repeat, action, 10)
        repeated()
        return 10 * operations / seconds(repeated)

    return lambda: max(rate(*each) for each in actions.items())


def repeat(action: Callable[[], object], count: int) -> None:
    """Call an action several times."""
    for _ in range(count):
        action()


def operations(config: GanParams, images: np.ndarray, precision: str) -> float:
    """Return the floating-point operations of a training step per image, as torch counts them."""
    streams, device = Streams(1), choose_device()
    gan = build(config, images, streams)
    gan.prepare(device, torch.from_numpy(np.array(images)))
    real = from_uint8(torch.from_numpy(np.array(images[: config.batch_size])).to(device))
    inputs = {k: v.to(device) for k, v in gan.sample_inputs(len(real), streams).items()}
    with FlopCounterMode(display=False) as counter, autocast(precision, device):
        gan.step(real, inputs)
    return float(counter.get_total_flops()) / len(real)


def as_files(folder: Path) -> None:
    """Write the 819 source pictures as JPEG files of 256 × 256 pixels."""
    prepare = read_params("prepare").prepare.model_copy(update={"resolution": FILE_RESOLUTION})
    with read_archive(Path("data/raw/pictures.zip")) as pictures:
        selection = select("pokemon819", 819, pictures, prepare)
    (folder / "one_class").mkdir(parents=True)
    for number, picture in enumerate(selection.images()):
        Image.fromarray(picture).save(folder / "one_class" / f"{number}.jpg", quality=95)


def start_up(network: str, pictures: Path, folder: Path) -> tuple[float, float]:
    """Measure the seconds from the start of the stage to its first step, and its peak memory.

    Returns:
        The seconds, and the peak within 20 seconds of training in GB.
    """
    first = stage(network, pictures, folder / "first", snapshots=1_000_000)
    start = time.perf_counter()
    with first as process:
        while not rows(folder / "first") and process.poll() is None:
            time.sleep(0.002)
        startup = time.perf_counter() - start
        if process.poll() is not None:
            raise click.ClickException(
                "The training ended before its first step; see `dvc repro train`."
            )
        process.kill()
    with stage(network, pictures, folder / "longer", snapshots=12) as process:
        time.sleep(startup + 20)
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
    return startup, usage.ru_maxrss / 1e6


def stage(network: str, pictures: Path, folder: Path, snapshots: int) -> subprocess.Popen[bytes]:
    """Start the training stage in a new folder, as DVC does."""
    folder.mkdir()
    for name in ("stages", "pokegan", "dvc.yaml"):
        (folder / name).symlink_to(Path(name).resolve())
    params = load_yaml(Path("params.yaml"))
    params[network] |= {"epochs": 10_000, "snapshots": snapshots}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", "stages.train", network, str(pictures.resolve()), "m", "s"]
    environment = {**os.environ, "DVC_ROOT": str(folder)}
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, env=environment)


def rows(folder: Path) -> int:
    """Count the lines of the history so far."""
    history = folder / "s" / "history.csv"
    return len(history.read_text().splitlines()) if history.exists() else 0


@click.command()
@click.option("--network", type=NetworkName(), default="dcgan819", show_default=True)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each loop."
)
@click.option("--precision", default="auto", type=click.Choice(["auto", "fp32", "bf16"]))
def benchmark(network: str, rounds: int, precision: str) -> None:
    """Measure the training of a network and print a table, ratios first."""
    config = read_params(network)[network]
    file = Path("data", f"{read_networks()[network].pictures}.npy")
    images, device = load_images(file), choose_device()
    fast = choose_precision(precision, device)
    set_deterministic(1)
    folder = Path(tempfile.mkdtemp(prefix="pokegan-benchmark-"))
    try:
        turns: dict[str, Callable[[], Turn]] = {}
        for kind in dict.fromkeys([fast, "fp32"]):
            turns[f"ours, {kind}"] = partial(training_loop, config, images, kind, folder / kind)
            turns[f"bare loop, {kind}"] = partial(bare, config, images, kind, steps=40)
            turns[f"peak, {kind}"] = partial(peak, kind)
        if isinstance(config, DcganParams):
            as_files(folder / "files")
            turns["usual script, fp32"] = partial(usual, config, folder / "files", images.shape[1])
        found: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(rounds):
            for name, turn in turns.items():
                found[name].append(turn()())
                click.echo(f"round {number + 1}: {name} {found[name][-1]:.4g}", err=True)
        median = {name: statistics.median(values) for name, values in found.items()}
        started, memory = start_up(network, file, folder)
    finally:
        shutil.rmtree(folder)

    each = operations(config, images, fast)
    click.echo(f"{network}, {machine(device)}, torch {torch.__version__}, medians of {rounds}\n")
    click.echo("| measure | value |\n| --- | ---: |")
    for kind in dict.fromkeys([fast, "fp32"]):
        speed = median[f"ours, {kind}"]
        click.echo(f"| {kind}: ours ÷ bare loop | {speed / median[f'bare loop, {kind}']:.2f} |")
        reached = speed * each / median[f"peak, {kind}"]
        click.echo(f"| {kind}: arithmetic reached ÷ peak | {reached:.2f} |")
    for name, value in median.items():
        shown = f"{value / 1e9:.0f} GFLOP/s" if "peak" in name else f"{value:.1f} pictures/s"
        click.echo(f"| {name} | {shown} |")
    click.echo(f"| arithmetic per picture | {each / 1e9:.2f} GFLOP |")
    click.echo(f"| process start to first step | {started:.1f} s |")
    click.echo(f"| peak memory | {memory:.2f} GB |")


if __name__ == "__main__":
    benchmark()
