"""Scores of damaged real images: do the metrics rank them as a person would?

Prints the table of docs/scores.md, from data/pokemon14000.npy and optional other images.
"""

import io
from collections.abc import Callable, Iterable
from functools import partial
from operator import methodcaller
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageFilter

from pokegan.cli.folders import list_images, read_images
from pokegan.compute.device import choose_device, set_deterministic
from pokegan.core.arrays import load_images
from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS
from pokegan.metrics.encoding import encode, load_encoder
from pokegan.metrics.features import halves
from pokegan.metrics.protocol import Reference

DIGITS = {"fd": 1, "kd": 1, "cs": 2} | dict.fromkeys(
    ("precision", "recall", "density", "coverage", "near_duplicates"), 2
)


@click.command()
@click.option("--pictures", type=click.IntRange(min=16), default=800, show_default=True)
@click.option("--encoder", "name", type=click.Choice(ENCODERS), default="effnet_lite0")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--foreign",
    type=(str, click.Path(path_type=Path)),
    multiple=True,
    metavar="NAME FOLDER",
    help="Images of something else; may be repeated.",
)
def main(pictures: int, name: str, seed: int, foreign: tuple[tuple[str, Path], ...]) -> None:
    """Score damaged real images and images of something else against pokemon14000."""
    data = load_images(Path("data/pokemon14000.npy"))
    first, second = halves(len(data), pictures, seed)
    count, side = len(first), data.shape[1]
    set_deterministic(seed)
    device = choose_device()
    encoder = load_encoder(name, device)
    reference = Reference(encode(encoder, data[first], device))
    click.echo(f"{count} against {count} images of {side}×{side} pixels, {name}, seed {seed}\n")
    click.echo(f"| compared | {' | '.join(DIGITS)} |\n| --- |{' ---: |' * len(DIGITS)}")
    for title, make in compared_sets(data[second], foreign, np.random.default_rng(seed)).items():
        images = make()
        if len(images) != count:
            raise PipelineError(f"{title}: {len(images)} images; lower --pictures to that.")
        scores = reference.score(encode(encoder, images, device))
        scores["kd"] *= 1000
        cells = (f"{scores[key]:.{d}f}" if key in scores else "–" for key, d in DIGITS.items())
        click.echo(f"| {title} | {' | '.join(cells)} |")


def compared_sets(
    reals: np.ndarray, foreign: tuple[tuple[str, Path], ...], rng: np.random.Generator
) -> dict[str, Callable[[], np.ndarray]]:
    """Return the sets to score, as functions: damaged reals (N, R, R, 3), and other images."""
    count, side = reals.shape[:2]
    artworks = load_images(Path("data/pokemon819.npy"))

    def changed(change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
        return stack(change(Image.fromarray(each)) for each in reals)

    def noisy(deviation: float) -> np.ndarray:
        noise = rng.normal(0, deviation, reals.shape)
        pixels: np.ndarray = (reals + noise).round().clip(0, 255).astype(np.uint8)
        return pixels

    def elsewhere(folder: Path) -> np.ndarray:
        paths = list_images(folder)
        chosen = [paths[row] for row in rng.permutation(len(paths))[:count]]
        images = (Image.fromarray(each) for each in read_images(chosen))
        return stack(each.resize((side, side), Image.Resampling.BICUBIC) for each in images)

    blurs = {radius: ImageFilter.GaussianBlur(radius) for radius in (0.5, 1, 2)}
    return {
        "the other half": lambda: reals,
        "… mirrored": lambda: reals[:, :, ::-1],
        **{
            f"… blurred, radius {radius}": partial(changed, methodcaller("filter", blur))
            for radius, blur in blurs.items()
        },
        **{f"… with noise, deviation {each}": partial(noisy, each) for each in (5, 15, 40)},
        "… as JPEG, quality 20": lambda: changed(as_jpeg),
        "… half of it, twice": lambda: np.resize(reals[: count // 2], reals.shape),
        "… eight of it, many times": lambda: np.resize(reals[:8], reals.shape),
        "artworks of pokemon819": lambda: artworks[rng.permutation(len(artworks))[:count]],
        **{title: partial(elsewhere, folder) for title, folder in foreign},
        "uniform noise": lambda: rng.integers(0, 256, reals.shape, dtype=np.uint8),
    }


def stack(images: Iterable[Image.Image]) -> np.ndarray:
    """Convert images of one size to an array (N, H, W, 3)."""
    return np.stack([np.asarray(image) for image in images])


def as_jpeg(image: Image.Image) -> Image.Image:
    """Encode and decode an image as a JPEG of quality 20."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=20)
    return Image.open(content).convert("RGB")


if __name__ == "__main__":
    main()
