"""Whether the scores order what people order: damaged true pictures, scored as if generated.

Prints the table of docs/scores.md, from the pipeline's own 14,000 pictures and, on demand, pictures
of something else.
"""

from __future__ import annotations

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

Change = Callable[[Image.Image], Image.Image]


@click.command()
@click.option("--pictures", type=click.IntRange(min=16), default=800, show_default=True)
@click.option("--encoder", type=click.Choice(ENCODERS), default="effnet_lite0", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--foreign",
    type=(str, click.Path(path_type=Path)),
    multiple=True,
    metavar="NAME FOLDER",
    help="Pictures of something else; may be repeated.",
)
def main(pictures: int, encoder: str, seed: int, foreign: tuple[tuple[str, Path], ...]) -> None:
    """Score damaged true pictures and foreign ones against the pipeline's 14,000."""
    data = load_images(Path("data/pokemon14000.npy"))
    artworks = load_images(Path("data/pokemon819.npy"))
    first, second = halves(len(data), pictures, seed)
    count, side = len(first), data.shape[1]
    true, rng = data[second], np.random.default_rng(seed)

    def changed(change: Change) -> np.ndarray:
        return stack(change(Image.fromarray(each)) for each in true)

    def noisy(deviation: float) -> np.ndarray:
        noise = rng.normal(0, deviation, true.shape)
        pixels: np.ndarray = (true + noise).round().clip(0, 255).astype(np.uint8)
        return pixels

    def elsewhere(folder: Path) -> np.ndarray:
        paths, _ = list_images(folder)
        chosen = [paths[row] for row in rng.permutation(len(paths))[:count]]
        images = (Image.fromarray(each) for each in read_images(chosen))
        return stack(i.resize((side, side), Image.Resampling.BICUBIC) for i in images)

    sets: dict[str, Callable[[], np.ndarray]] = {
        "the other half": lambda: true,
        "… mirrored": lambda: true[:, :, ::-1],
    }
    for radius in (0.5, 1, 2):
        blur = ImageFilter.GaussianBlur(radius)
        sets[f"… blurred, radius {radius}"] = partial(changed, methodcaller("filter", blur))
    for deviation in (5, 15, 40):
        sets[f"… with noise, deviation {deviation}"] = partial(noisy, deviation)
    sets |= {
        "… as JPEG, quality 20": lambda: changed(as_jpeg),
        "… half of it, twice": lambda: np.resize(true[: count // 2], true.shape),
        "… eight of it, many times": lambda: np.resize(true[:8], true.shape),
        "artworks of pokemon819": lambda: artworks[rng.permutation(len(artworks))[:count]],
        **{name: partial(elsewhere, folder) for name, folder in foreign},
        "uniform noise": lambda: rng.integers(0, 256, true.shape, dtype=np.uint8),
    }

    set_deterministic(seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    reals = Reference(encode(network, data[first], device))
    digits = {"fd": 1, "kd": 1, "cs": 2, "precision": 2, "recall": 2, "near_duplicates": 2}
    click.echo(f"{count} against {count} pictures of {side}², {encoder}, seed {seed}\n")
    click.echo(f"| compared | {' | '.join(digits)} |\n| --- |{' ---: |' * len(digits)}")
    for name, make in sets.items():
        compared = make()
        if len(compared) != count:
            raise PipelineError(f"{name}: {len(compared)} pictures; lower --pictures to that.")
        scores = reals.score(encode(network, compared, device))
        scores["kd"] *= 1000
        cells = (
            f"{scores[score]:.{d}f}" if score in scores else "–" for score, d in digits.items()
        )
        click.echo(f"| {name} | {' | '.join(cells)} |")


def stack(images: Iterable[Image.Image]) -> np.ndarray:
    """IMAGES of one size as (N, H, W, 3)."""
    return np.stack([np.asarray(image) for image in images])


def as_jpeg(image: Image.Image) -> Image.Image:
    """IMAGE as it comes back from a JPEG of quality 20."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=20)
    return Image.open(content).convert("RGB")


if __name__ == "__main__":
    main()
