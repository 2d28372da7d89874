"""Score any folder of pictures against another."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("reals", metavar="FOLDER_A", type=click.Path(path_type=Path))
@click.argument("fakes", metavar="FOLDER_B", type=click.Path(path_type=Path))
@click.option(
    "--encoder",
    "encoders",
    type=click.Choice(ENCODERS),
    multiple=True,
    default=["effnet_lite0"],
    show_default=True,
    help="Which network compares; may be repeated.",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=4),
    help="How many on each side.  [default: all of FOLDER_B, at most half of FOLDER_A]",
)
@click.option(
    "--floor/--no-floor",
    default=True,
    help="Also score the other half of FOLDER_A: what true pictures get. Without it, all of "
    "FOLDER_A can be compared with.  [default: floor]",
)
@click.option(
    "--splits", type=click.IntRange(min=1), default=1, show_default=True,
    help="Parts of the classifier score.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True)
def score(
    reals: Path,
    fakes: Path,
    encoders: tuple[str, ...],
    pictures: int | None,
    floor: bool,
    splits: int,
    seed: int,
) -> None:
    """Score the pictures below FOLDER_B against the true ones below FOLDER_A.

    Equal numbers on both sides, drawn at random with the seed. Any sizes; transparency is laid on
    white. Standard output gets the scores as JSON, standard error the same as a table.

    \b
    python -m pokegan.cli.score photographs samples
    python -m pokegan.cli.score real fake --encoder inception > scores.json
    """  # noqa: D301
    import numpy as np

    from pokegan.cli.folders import list_pictures, read_pictures
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.protocol import Reference, summary

    (true, others), (generated, more) = list_pictures(reals), list_pictures(fakes)
    if others + more:
        click.echo(f"{others + more} files that are no pictures are left out.", err=True)
    count = how_many(len(true), len(generated), pictures, splits, floor)
    warn_of_compression(true, generated)

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(true))
    sets = [
        [true[row] for row in np.sort(order[:count])],
        [generated[row] for row in np.sort(rng.permutation(len(generated))[:count])],
    ]
    if floor:
        sets.append([true[row] for row in np.sort(order[count : 2 * count])])
    set_deterministic(seed)
    device = choose_device()
    networks = [load_encoder(encoder, device) for encoder in encoders]
    scores: dict[str, float] = {}
    with progress_bar("score", len(networks) * len(sets) * count) as bar:
        for network in networks:
            first, other, *second = (
                encode(network, read_pictures(paths), device, bar.update) for paths in sets
            )
            judged = Reference(first, *second)
            truth = judged.floor(splits) if floor else {}
            scores |= summary(network.name, judged.score(other, splits), truth)
    result = {
        "reals": str(reals),
        "fakes": str(fakes),
        "pictures": count,
        "seed": seed,
        "splits": splits,
        "encoders": {network.name: network.sha256 for network in networks},
        **scores,
    }
    click.echo(table(scores, count), err=True)
    click.echo(json.dumps(result, indent=2))


def how_many(true: int, generated: int, wanted: int | None, splits: int, floor: bool) -> int:
    """Pictures on each side: as many as are WANTED, else as many as there can be.

    Raises:
        PipelineError: there are too few.
    """
    from pokegan.metrics.features import FEWEST

    room = min(true // 2 if floor else true, generated)
    there = f"there are {true} and {generated} pictures, which allows {room} on each side"
    there += ", half of the first folder being kept for the floor" if floor else ""
    cure = "lower it" + (", or add --no-floor." if floor else ".")
    if room < FEWEST:
        raise PipelineError(f"Too few pictures: {there}; at least {FEWEST} are needed.")
    if wanted and wanted > room:
        raise PipelineError(f"--pictures is {wanted}, but {there}; {cure}")
    if splits > (wanted or room):
        raise PipelineError(
            f"--splits is {splits}, but {wanted or room} pictures are scored; {cure}"
        )
    return wanted or room


def warn_of_compression(true: list[Path], generated: list[Path]) -> None:
    """Warn if one side is JPEG and the other is not: encoders see its traces, and scores rise."""
    from pokegan.cli.folders import LOSSY

    shares = [
        sum(path.suffix.lower() in LOSSY for path in paths) / len(paths)
        for paths in (true, generated)
    ]
    if abs(shares[0] - shares[1]) > 0.1:
        click.echo(
            f"Warning: {shares[0]:.0%} of the first and {shares[1]:.0%} of the second folder are "
            "JPEG, whose traces alone make sets look different; save both in one format.",
            err=True,
        )


def table(scores: dict[str, float], count: int) -> str:
    """SCORES for people, a line a score."""
    lines = [f"{count} pictures a side", "", f"{'':28}{'FOLDER_B':>12}{'true':>12}"]
    for key, value in scores.items():
        if not key.endswith("_reals"):
            truth = scores.get(f"{key}_reals")
            lines.append(f"{key:28}{value:12.5g}" + (f"{truth:12.5g}" if truth is not None else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    score()
