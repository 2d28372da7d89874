"""Score a folder of images against another."""

import json
from pathlib import Path

import click

from pokegan.cli import common
from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("reals", metavar="REAL", type=common.PATH)
@click.argument("fakes", metavar="FAKE", type=common.PATH)
@click.option(
    "--encoder", "encoders", type=click.Choice(ENCODERS), multiple=True, default=["effnet_lite0"],
    help="Encoder; may be repeated.",
)  # fmt: skip
@click.option(
    "--pictures", type=click.IntRange(min=6),
    help="Images per side.  [default: all of FAKE, at most half of REAL]",
)  # fmt: skip
@click.option(
    "--real-vs-real/--no-real-vs-real", default=True,
    help="Also score the other half of REAL. Without it, all of REAL can be compared with.",
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

    The images below FAKE are scored against those below REAL; animations by their first frame. Both
    sides have the same number of images, selected at random. Prints the scores as JSON to standard
    output, and as a table to standard error.

    \b
    pokegan score real fake --encoder inception > scores.json
    """  # noqa: D301
    import numpy as np

    from pokegan.cli.folders import list_images, read_images
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.protocol import Reference, named_scores

    (real_paths, ignored), (fake_paths, also_ignored) = list_images(reals), list_images(fakes)
    if ignored + also_ignored:
        click.echo(f"{ignored + also_ignored} files that are not images are ignored.", err=True)
    count = count_per_side(len(real_paths), len(fake_paths), pictures, splits, real_vs_real)
    rng = np.random.default_rng(seed)
    order, fake_order = rng.permutation(len(real_paths)), rng.permutation(len(fake_paths))
    selected = [(real_paths, order[:count]), (fake_paths, fake_order[:count])]
    if real_vs_real:
        selected.append((real_paths, order[count : 2 * count]))
    sets = [[paths[row] for row in np.sort(rows)] for paths, rows in selected]

    set_deterministic(seed)
    device = choose_device()
    loaded = [load_encoder(name, device) for name in encoders]
    scores: dict[str, float] = {}
    with progress_bar("score", len(loaded) * len(sets) * count) as bar:
        for encoder in loaded:
            first, generated, *second = (
                encode(encoder, read_images(paths), device, bar.update) for paths in sets
            )
            reference = Reference(first, second[0] if second else None, splits)
            found = reference.score(generated)
            scores |= named_scores(encoder.name, found, reference.real_scores())
    result = {
        "reals": str(reals),
        "fakes": str(fakes),
        "pictures": count,
        "seed": seed,
        "splits": splits,
        "encoders": {encoder.name: encoder.sha256 for encoder in loaded},
        **scores,
    }
    click.echo(format_table(scores, count), err=True)
    click.echo(json.dumps(result, indent=2))


def count_per_side(
    reals: int, fakes: int, wanted: int | None, splits: int, real_vs_real: bool
) -> int:
    """Return the number of images per side: the wanted one, or else the largest possible."""
    from pokegan.metrics.features import MIN_IMAGES

    available = min(reals // 2 if real_vs_real else reals, fakes)
    count = wanted or available
    reason = f"there are {reals} and {fakes} images, which allows {available} per side"
    hint = " with half of REAL; lower it, or add --no-real-vs-real." if real_vs_real else "."
    if available < MIN_IMAGES:
        raise PipelineError(f"Too few images: {reason}; at least {MIN_IMAGES} are needed.")
    if count > available:
        raise PipelineError(f"--pictures is {wanted}, but {reason}{hint}")
    if splits > count:
        raise PipelineError(f"--splits is {splits}, but {count} images are scored; lower it.")
    return count


def format_table(scores: dict[str, float], count: int) -> str:
    """Format scores as a table with one line per score."""
    lines = [f"{count} images per side", "", f"{'':28}{'FAKE':>12}{'REAL':>12}"]
    for key in (key for key in scores if not key.endswith("_reals")):
        values = [scores[each] for each in (key, f"{key}_reals") if each in scores]
        lines.append(f"{key:28}" + "".join(f"{value:12.5g}" for value in values))
    return "\n".join(lines)
