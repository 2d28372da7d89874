"""Score a folder of images against another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.cli import common
from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    import numpy as np

    from pokegan.metrics.encoding import Encoder


@click.command()
@click.argument("reals", metavar="REAL", type=common.PATH)
@click.argument("fakes", metavar="FAKE", type=common.PATH)
@click.option(
    "--encoder", "encoders", type=click.Choice(ENCODERS), multiple=True, default=["effnet_lite0"],
    help="Encoder; may be repeated.",
)  # fmt: skip
@click.option(
    "--pictures", type=click.IntRange(min=6),
    help="Images per side, selected at random.  [default: all]",
)  # fmt: skip
@click.option(
    "--real-vs-real", is_flag=True,
    help="Also score a random half of REAL against the other half.",
)  # fmt: skip
@click.option("--splits", type=common.COUNT, default=1, help="Splits of the classifier score.")
@common.seed_option
def score(
    reals: Path,
    fakes: Path,
    encoders: tuple[str, ...],
    pictures: int | None,
    real_vs_real: bool,
    splits: int,
    seed: int,
) -> None:
    """Score a folder of images against another.

    All images below FAKE are scored against all those below REAL; animations by their first frame.
    Prints the scores as JSON to standard output, and as a table to standard error. Fréchet
    distances decrease with the number of images: compare values of equal numbers only.

    \b
    pokegan score real fake --encoder inception > scores.json
    """  # noqa: D301
    import numpy as np

    from pokegan.cli.folders import describe_difference, list_images, read_images
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.protocol import Reference, named_scores

    rng = np.random.default_rng(seed)
    sets = [select(list_images(folder), pictures, folder, splits, rng) for folder in (reals, fakes)]
    halves = split_in_half(sets[0], reals, rng) if real_vs_real else []
    set_deterministic(seed)
    device = choose_device()
    loaded = [load_encoder(name, device) for name in encoders]
    warn_of_difference(describe_difference(*sets), loaded)
    scores: dict[str, float] = {}
    with progress_bar("score", len(loaded) * sum(map(len, sets + halves))) as bar:
        for encoder in loaded:
            first, generated, *others = (
                encode(encoder, read_images(paths), device, bar.update) for paths in sets + halves
            )
            found = Reference(first, None, splits).score(generated)
            between = Reference(others[0], others[1], splits).real_scores() if others else {}
            scores |= named_scores(encoder.name, found, between)
    result = {
        "reals": str(reals),
        "fakes": str(fakes),
        "real_pictures": len(sets[0]),
        "fake_pictures": len(sets[1]),
        **({"real_vs_real_pictures": len(halves[0])} if halves else {}),
        "seed": seed,
        "splits": splits,
        "encoders": {encoder.name: encoder.sha256 for encoder in loaded},
        **scores,
    }
    click.echo(format_table(scores, *map(len, sets + halves[:1])), err=True)
    click.echo(json.dumps(result, indent=2))


def warn_of_difference(difference: str, loaded: list[Encoder]) -> None:
    """Warn that the sets have other sizes or formats, if there is a difference."""
    sides = ", ".join(f"{each.side}×{each.side} for {each.name}" for each in loaded)
    if difference:
        click.echo(
            f"Warning: {difference}. The scores measure this difference, too: all images are "
            f"resized (to {sides}), but lost details and compression artifacts remain.",
            err=True,
        )


def select(
    paths: list[Path], wanted: int | None, folder: Path, splits: int, rng: np.random.Generator
) -> list[Path]:
    """Return all images of a folder, or the wanted number, selected at random."""
    from pokegan.metrics.features import MIN_IMAGES

    count = len(paths) if wanted is None else wanted
    if len(paths) < MIN_IMAGES:
        raise PipelineError(
            f"{folder} has {len(paths)} images; at least {MIN_IMAGES} are needed for scores."
        )
    if count > len(paths):
        raise PipelineError(f"--pictures is {count}, but {folder} has {len(paths)} images.")
    if splits > count:
        raise PipelineError(f"--splits is {splits}, but {count} images are scored; lower it.")
    return [paths[row] for row in sorted(rng.permutation(len(paths))[:count])]


def split_in_half(paths: list[Path], folder: Path, rng: np.random.Generator) -> list[list[Path]]:
    """Return two random halves of the images."""
    from pokegan.metrics.features import MIN_IMAGES

    size = len(paths) // 2
    if size < MIN_IMAGES:
        raise PipelineError(
            f"--real-vs-real needs at least {2 * MIN_IMAGES} images of {folder}, but there are "
            f"{len(paths)}."
        )
    order = rng.permutation(len(paths))
    return [[paths[row] for row in sorted(order[i * size : (i + 1) * size])] for i in (0, 1)]


def format_table(scores: dict[str, float], reals: int, fakes: int, half: int = 0) -> str:
    """Format scores as a table with one line per score."""
    heads = [f"{fakes} vs {reals}", *([f"{half} vs {half}"] if half else [])]
    lines = [
        f"{'images':28}" + "".join(f"{each:>16}" for each in heads),
        f"{'':28}{'FAKE vs REAL':>16}" + (f"{'REAL vs REAL':>16}" if half else ""),
    ]
    for key in (key for key in scores if not key.endswith("_reals")):
        values = [scores[each] for each in (key, f"{key}_reals") if each in scores]
        lines.append(f"{key:28}" + "".join(f"{value:16.5g}" for value in values))
    return "\n".join(lines)
