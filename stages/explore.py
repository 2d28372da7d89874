"""Look into the latent space of a trained network."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import NetworkName, read_params

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from pokegan.compute.randomness import Streams

STEPS = 8  # pictures a row, which a phone shows large enough
PATHS = 6
NEIGHBOURHOODS, DIRECTIONS = 2, 3
DEGREES = (0, 5, 10, 20, 30, 45, 60, 90)
TURNED = 64  # latents, for the mean change of a picture
BETWEEN = 4  # true pictures that ways lead between
SHOWN = 16  # true pictures beside their reconstructions
EXTREMES = 8
MOST = 1000  # true pictures that are measured


@click.command()
@click.argument("name", type=NetworkName())
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("latent_space", type=click.Path(path_type=Path))
@click.option(
    "--reals", type=click.Path(path_type=Path),
    help="True pictures that an AEGAN is to draw again.",
)  # fmt: skip
@click.option("--trained-on", type=click.Path(path_type=Path), help="What it was trained on.")
@click.option(
    "--errors", type=click.Path(path_type=Path), help="The JSON that gets how well it did."
)
def explore(
    name: str,
    model: Path,
    latent_space: Path,
    reals: Path | None,
    trained_on: Path | None,
    errors: Path | None,
) -> None:
    """Draw ways between latents and neighbourhoods of the network NAME in MODEL.

    LATENT_SPACE (.npz) gets the pictures. An AEGAN, which has an encoder, also draws true pictures
    again and what lies between them, if it is given all three options.
    """
    given = [each for each in (reals, trained_on, errors) if each is not None]
    if 0 < len(given) < 3:
        raise click.UsageError("--reals, --trained-on and --errors go together.")
    params = read_params("seed")

    import numpy as np

    from pokegan.analysis.subset import evenly_spaced
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.compute.randomness import Streams
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.grids import grid
    from pokegan.core.provenance import machine
    from pokegan.networks.sampling import sample_latents
    from pokegan.networks.weights import load_generator, load_network
    from pokegan.tracking.run import track_run

    set_deterministic(params.seed)
    device = choose_device()
    generator, configuration = load_generator(model)
    generator.to(device)
    streams, latent_dim = Streams(params.seed), configuration["latent_dim"]
    back = bool(reals and trained_on and errors)
    if reals and trained_on:
        encoder = load_network(model, "encoder").to(device)
        true_pictures = evenly_spaced(load_images(reals), MOST)
        check_resolution(reals, true_pictures.shape[1], configuration["resolution"])
        seen = familiar(true_pictures, load_images(trained_on))
    with track_run(f"explore_{name}", params) as run:
        found = around(generator, latent_dim, streams)
        facts: dict[str, int] = {}
        figures: dict[str, float] = {}
        if back:
            z = sample_latents(len(true_pictures), latent_dim, streams["cycle latents"])
            again, figures = rebuilt(generator, encoder, true_pictures, z)
            found |= again
            facts = {"pictures": len(true_pictures), **seen}
        with atomic_write(latent_space) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **found)  # type: ignore[arg-type]
        if errors:
            save_json(errors, {**facts, **figures})
        for kind in ("paths", "neighbourhoods", "between"):
            if kind in found:
                rows = found[kind].reshape(-1, *found[kind].shape[-3:])
                run.log_image(kind, grid(rows, STEPS))
        run.log_metrics(figures)
        run.set_tags({"network": name, **facts, **machine(device)})
        click.echo(told(latent_space, figures), err=True)


def around(generator: nn.Module, latent_dim: int, streams: Streams) -> dict[str, np.ndarray]:
    """What GENERATOR draws between random latents, and of latents that are turned by degrees.

    "paths" (PATHS, STEPS, R, R, 3): a row from each latent to the next, great circles.
    "neighbourhoods" (NEIGHBOURHOODS, DIRECTIONS, STEPS, R, R, 3): rows of the same latent, turned
    farther and farther towards another one. "degrees" (STEPS,) and "changes" (STEPS,): how far, and
    by how much a picture has changed then, on average over TURNED others.
    Nothing where latents are single numbers, which have no directions.
    """
    import numpy as np

    from pokegan.analysis.latent_space import closed_path, differences, turned
    from pokegan.networks.sampling import generate_images, sample_latents

    if latent_dim < 2:
        return {}
    degrees = np.array(DEGREES)

    def drawn(z: Tensor) -> np.ndarray:
        pictures = generate_images(generator, z.flatten(0, -2)).numpy()
        return pictures.reshape(*z.shape[:-1], *pictures.shape[1:])

    paths = closed_path(
        sample_latents(PATHS, latent_dim, streams["path latents"]), STEPS, with_ends=True
    )
    stream = streams["neighbourhood latents"]
    centres = sample_latents(NEIGHBOURHOODS, latent_dim, stream).repeat_interleave(
        DIRECTIONS, dim=0
    )
    neighbours = turned(centres, sample_latents(len(centres), latent_dim, stream), degrees)
    others, towards = sample_latents(2 * TURNED, latent_dim, streams["turned latents"]).split(
        TURNED
    )
    steps = drawn(turned(others, towards, degrees)).swapaxes(0, 1)
    return {
        "paths": drawn(paths),
        "neighbourhoods": drawn(neighbours.unflatten(0, (NEIGHBOURHOODS, DIRECTIONS))),
        "degrees": degrees,
        "changes": np.array([differences(step, steps[0]).mean() for step in steps]),
    }


def rebuilt(
    generator: nn.Module, encoder: nn.Module, reals: np.ndarray, z: Tensor
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """How well GENERATOR and ENCODER undo each other, on pictures REALS and latents Z, N each.

    First what the page shows. Pictures and their errors: evenly spaced ("spaced_originals",
    "spaced_again", "spaced_errors"), the EXTREMES of least ("best_…") and of greatest ("worst_…")
    error; "between" (BETWEEN, STEPS, R, R, 3): rows from a true picture to another one, which stand
    at their ends, by way of their latents. Errors (N,) of all: "picture_errors" of G(E(x));
    "mirrored_errors", of the mirror images; and what they are to be compared with, those of the
    mean of all pictures ("mean_errors") and of G(z) ("unrelated_errors"). "latent_errors",
    |E(G(z)) - z|, and "latent_lengths", |z|.
    Then the same as figures. A picture's error is the mean absolute difference of a value, where
    white is 1 and black 0.
    """
    import numpy as np

    from pokegan.analysis.latent_space import (
        closed_path,
        differences,
        encode_pictures,
        reconstructions,
    )
    from pokegan.analysis.subset import evenly_spaced
    from pokegan.networks.sampling import generate_images

    rows = evenly_spaced(np.arange(len(reals)), SHOWN)
    encoded, _, again, picture_errors, _ = reconstructions(generator, encoder, reals)
    order = picture_errors.argsort(kind="stable")
    shown = {"spaced": rows, "best": order[:EXTREMES], "worst": order[::-1][:EXTREMES]}
    found = {}
    for kind, chosen in shown.items():
        found[f"{kind}_originals"], found[f"{kind}_again"] = reals[chosen], again[chosen]
        found[f"{kind}_errors"] = picture_errors[chosen]
    if z.shape[1] > 1:
        ends = evenly_spaced(np.arange(len(reals)), BETWEEN)
        path = closed_path(encoded[ends], STEPS - 2, with_ends=True)
        ways = generate_images(generator, path.flatten(0, 1)).numpy()
        ways = ways.reshape(*path.shape[:2], *reals.shape[1:])
        first, last = reals[ends, None], np.roll(reals[ends], -1, axis=0)[:, None]
        found["between"] = np.concatenate([first, ways, last], axis=1)

    mirrored = np.ascontiguousarray(reals[:, :, ::-1])
    mean = reals.mean(axis=0).round().astype(np.uint8)
    drawn = generate_images(generator, z).numpy()
    found |= {
        "picture_errors": picture_errors,
        "mirrored_errors": reconstructions(generator, encoder, mirrored).picture_errors,
        "mean_errors": differences(np.broadcast_to(mean, reals.shape), reals),
        "unrelated_errors": differences(drawn, reals),
        "latent_errors": (encode_pictures(encoder, drawn) - z).norm(dim=1).numpy(),
        "latent_lengths": z.norm(dim=1).numpy(),
    }
    figures = {
        "picture_error": picture_errors.mean(),
        "picture_error_median": np.median(picture_errors),
        "picture_error_least": picture_errors.min(),
        "picture_error_greatest": picture_errors.max(),
        "picture_error_mirrored": found["mirrored_errors"].mean(),
        "picture_error_of_mean": found["mean_errors"].mean(),
        "picture_error_unrelated": found["unrelated_errors"].mean(),
        "nearer_than_mean": (picture_errors < found["mean_errors"]).mean(),
        "latent_error": found["latent_errors"].mean(),
        "latent_error_median": np.median(found["latent_errors"]),
        "latent_length": found["latent_lengths"].mean(),
    }
    return found, {key: float(f"{value:.6g}") for key, value in figures.items()}


def familiar(pictures: np.ndarray, trained_on: np.ndarray) -> dict[str, int]:
    """How many of PICTURES, and of their mirror images, are among those TRAINED_ON."""
    known = {fingerprint(each) for each in trained_on}
    return {
        "trained_on": sum(fingerprint(each) in known for each in pictures),
        "mirrored_trained_on": sum(fingerprint(each[:, ::-1]) in known for each in pictures),
    }


def fingerprint(picture: np.ndarray) -> bytes:
    """The same for the same pixels of PICTURE (R, R, 3)."""
    return sha256(picture.tobytes()).digest()


def told(latent_space: Path, figures: dict[str, Any]) -> str:
    """What a person is told at the end."""
    if not figures:
        return f"{latent_space}: ways and neighbourhoods"
    return (
        f"{latent_space}: picture error {figures['picture_error']:.3f}, of the mean picture "
        f"{figures['picture_error_of_mean']:.3f}; latent error {figures['latent_error']:.2f} of "
        f"{figures['latent_length']:.2f}"
    )


if __name__ == "__main__":
    explore()
