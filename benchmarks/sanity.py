"""Scores of damaged real images: do the metrics rank them as a person would?

Prints the tables of docs/scores.md, from data/pokemon14000.npy and optional other images.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import methodcaller
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageFilter

from pokegan.cli.folders import list_images, read_images
from pokegan.compute.device import choose_device, set_deterministic
from pokegan.compute.randomness import Streams
from pokegan.core.arrays import load_images
from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS
from pokegan.encoders.alexnet import Encoder
from pokegan.metrics.encoding import encode, load_encoder
from pokegan.metrics.features import halves
from pokegan.metrics.lpips import lpips_diversity
from pokegan.metrics.protocol import Reference
from pokegan.metrics.sliced_wasserstein import project_patches, sliced_wasserstein
from pokegan.metrics.spectrum import checkerboard, power_spectrum

DIGITS = {"fd": 1, "kd": 1, "cs": 2} | dict.fromkeys(
    ("precision", "recall", "density", "coverage", "near_duplicates"), 2
)
PAIRED = 200  # images whose pairs are compared by LPIPS


@click.command()
@click.option("--pictures", type=click.IntRange(min=16), default=800, show_default=True)
@click.option(
    "--encoder", "names", type=click.Choice(ENCODERS), multiple=True,
    default=["effnet_lite0", "alexnet"], show_default=True, help="May be repeated.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--foreign",
    type=(str, click.Path(path_type=Path)),
    multiple=True,
    metavar="NAME FOLDER",
    help="Images of something else; may be repeated.",
)
def main(
    pictures: int, names: tuple[str, ...], seed: int, foreign: tuple[tuple[str, Path], ...]
) -> None:
    """Score damaged real images and images of something else against pokemon14000."""
    data = load_images(Path("data/pokemon14000.npy"))
    first, second = halves(len(data), pictures, seed)
    count, side = len(first), data.shape[1]
    set_deterministic(seed)
    sets = compared_sets(data[second], foreign, np.random.default_rng(seed))
    images = {title: make() for title, make in sets.items()}
    for title, each in images.items():
        if len(each) != count:
            raise PipelineError(f"{title}: {len(each)} images; lower --pictures to that.")
    click.echo(f"{count} against {count} images of {side}×{side} pixels, seed {seed}")
    for name in names:
        click.echo(f"\n{name}\n")
        print_table(scores_by(name, data[first], images))
    click.echo("\nwithout an encoder\n")
    print_table(scores_by_pixels(data[first], images, seed))


def scores_by(
    name: str, reals: np.ndarray, images: dict[str, np.ndarray]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the title of each set, and its scores by an encoder."""
    device = choose_device()
    encoder = load_encoder(name, device)
    reference = Reference(encode(encoder, reals, device))
    for title, each in images.items():
        scores = reference.score(encode(encoder, each, device))
        scores["kd"] *= 1000
        yield (
            title,
            {key: f"{scores[key]:.{digits}f}" for key, digits in DIGITS.items() if key in scores},
        )


def scores_by_pixels(
    reals: np.ndarray, images: dict[str, np.ndarray], seed: int
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the title of each set, and its scores without an encoder."""
    device = choose_device()
    vectors = Encoder(device).lpips_vectors
    for title, each in images.items():
        first, second = (
            project_patches(compared, Streams(seed)["sliced Wasserstein"])
            for compared in (each, reals)
        )
        found = sliced_wasserstein(first, second)
        yield (
            title,
            {
                **{f"swd_{side}": f"{value:.1f}" for side, value in found.items()},
                "checkerboard": f"{checkerboard(power_spectrum(each)):.4f}",
                "lpips_diversity": f"{lpips_diversity(vectors, each[:PAIRED], device):.3f}",
            },
        )


def print_table(rows: Iterable[tuple[str, dict[str, str]]]) -> None:
    """Print a table in Markdown, row by row."""
    for number, (title, cells) in enumerate(rows):
        if not number:
            click.echo(f"| compared | {' | '.join(cells)} |\n| --- |{' ---: |' * len(cells)}")
        click.echo(f"| {title} | {' | '.join(cells.values())} |")


def compared_sets(
    reals: np.ndarray, foreign: tuple[tuple[str, Path], ...], rng: np.random.Generator
) -> dict[str, Callable[[], np.ndarray]]:
    """Return the sets to score, as functions: damaged reals (N, R, R, 3), and other images."""
    count, side = reals.shape[:2]
    artworks = load_images(Path("data/pokemon819.npy"))

    def changed(change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
        return stack(change(Image.fromarray(each)) for each in reals)

    def noisy(deviation: float) -> np.ndarray:
        return add(reals, rng.normal(0, deviation, reals.shape))

    def elsewhere(folder: Path) -> np.ndarray:
        paths = list_images(folder)
        chosen = [paths[row] for row in rng.permutation(len(paths))[:count]]
        images = (Image.fromarray(each) for each in read_images(chosen))
        return stack(each.resize((side, side), Image.Resampling.BICUBIC) for each in images)

    pattern = (-1.0) ** np.add.outer(np.arange(side), np.arange(side))[..., None]
    blurs = {radius: ImageFilter.GaussianBlur(radius) for radius in (0.5, 1, 2)}
    return {
        "the other half": lambda: reals,
        "… mirrored": lambda: reals[:, :, ::-1],
        **{
            f"… blurred, radius {radius}": partial(changed, methodcaller("filter", blur))
            for radius, blur in blurs.items()
        },
        **{f"… with noise, deviation {each}": partial(noisy, each) for each in (5, 15, 40)},
        "… with a checkerboard, amplitude 8": lambda: add(reals, 8 * pattern),
        "… with red and blue exchanged": lambda: reals[..., ::-1],
        "… darkened by a tenth": lambda: (reals * 0.9).round().astype(np.uint8),
        "… as JPEG, quality 20": lambda: changed(as_jpeg),
        "… half of it, twice": lambda: np.resize(reals[: count // 2], reals.shape),
        "… eight of it, many times": lambda: np.resize(reals[:8], reals.shape),
        "artworks of pokemon819": lambda: artworks[rng.permutation(len(artworks))[:count]],
        **{title: partial(elsewhere, folder) for title, folder in foreign},
        "uniform noise": lambda: rng.integers(0, 256, reals.shape, dtype=np.uint8),
    }


def add(images: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Add values to pixels, rounded and clipped."""
    pixels: np.ndarray = (images + change).round().clip(0, 255).astype(np.uint8)
    return pixels


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
