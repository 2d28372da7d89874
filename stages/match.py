"""Match generated pictures with the training pictures that they resemble most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import NetworkName, read_params
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    import numpy as np

# Of the generated pictures these are shown, the closest and others, beside so many neighbours.
CLOSEST, OTHERS, NEIGHBOURS = 3, 3, 5
# Copies lie nearer to a training picture than the closest twentieth of true pictures does.
CLOSE = 0.05


@click.command()
@click.argument("name", type=NetworkName())
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("copies", type=click.Path(path_type=Path))
@click.argument("figures", type=click.Path(path_type=Path))
def match(
    name: str,
    encoder: str,
    pictures: Path,
    index: Path,
    model: Path,
    copies: Path,
    figures: Path,
) -> None:
    """Has the network NAME, in the folder MODEL, learnt its training PICTURES by heart?

    Each of some generated pictures is matched with the training picture that is nearest to it, of
    all in INDEX by ENCODER. COPIES (.npz) gets the distances and some pictures beside their
    neighbours, FIGURES (.json) the share of copies, and medians.
    """
    params = read_params("seed", "evaluate.pictures")

    import numpy as np

    from pokegan.analysis.copies import load_index, nearest
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.compute.randomness import Streams
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.networks.sampling import generate_images, sample_latents
    from pokegan.networks.weights import load_generator
    from pokegan.tracking.run import track_run

    stage = f"match_{name}"
    training = load_images(pictures)
    set_deterministic(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    known = load_index(index, network, len(training))
    generator, configuration = load_generator(model)
    check_resolution(pictures, training.shape[1], configuration["resolution"])
    count = params.evaluate.pictures
    with track_run(stage, params) as run:
        z = sample_latents(
            count, configuration["latent_dim"], Streams(params.seed)["matched latents"]
        )
        drawn = generate_images(generator.to(device), z).numpy()
        with progress_bar(stage, count) as bar:
            features = encode(network, drawn, device, bar.update).features
        neighbours = min(NEIGHBOURS, len(training))
        distances, rows = nearest(features, known.features, neighbours)
        chosen = shown(distances[:, 0])
        found = summary(distances[:, 0], known.to_own, known.to_others)
        facts = {"encoder": encoder, "encoder_sha256": network.sha256, "pictures": count}
        with atomic_write(copies) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                distances=distances[:, 0],
                to_own=known.to_own,
                to_others=known.to_others,
                drawn=drawn[chosen],
                neighbours=training[rows[chosen]],
                neighbour_distances=distances[chosen],
            )
        save_json(figures, {**facts, **found})
        run.log_metrics(found)
        run.set_tags({"network": name, **facts, **machine(device)})
        told = f"{found['copies']:.1%} copies" if "copies" in found else "copies cannot be told"
        click.echo(f"{figures}: {told} among {count} pictures by {name}", err=True)


def shown(distances: np.ndarray) -> np.ndarray:
    """Which of the DISTANCES (N,) are shown: the CLOSEST, then OTHERS evenly among the rest."""
    import numpy as np

    from pokegan.analysis.subset import evenly_spaced

    order = distances.argsort(kind="stable")
    rest = order[CLOSEST:]
    return np.concatenate([order[:CLOSEST], evenly_spaced(rest, OTHERS) if len(rest) else rest])


def summary(distances: np.ndarray, to_own: np.ndarray, to_others: np.ndarray) -> dict[str, float]:
    """Shares and medians of the DISTANCES (N,) from generated pictures to training pictures.

    TO_OWN and TO_OTHERS (M,) are those between training pictures, of the same species and of
    different ones. `copies` is the share of DISTANCES below the closest twentieth of TO_OTHERS:
    about 0.05 of new species, more if training pictures were learnt by heart. What cannot be told
    of so few pictures is left out.
    """
    import numpy as np

    told = {"nearest_median": float(np.median(distances))}
    if np.isfinite(to_others).all():
        limit = np.quantile(to_others, CLOSE)
        told["copies"] = float((distances < limit).mean())
        told["nearest_median_other_species"] = float(np.median(to_others))
    related = to_own[np.isfinite(to_own)]
    if len(related):
        told["nearest_median_same_species"] = float(np.median(related))
    return {key: float(f"{value:.6g}") for key, value in told.items()}


if __name__ == "__main__":
    match()
