"""Find the true pictures that generated ones resemble most."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import click

from pokegan.cli.common import (
    SHEET,
    check_output,
    model_argument,
    model_folder,
    output_argument,
    scale_option,
    seed_option,
    step_option,
)
from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write
from pokegan.core.schema import ENCODERS
from pokegan.core.provenance import root

if TYPE_CHECKING:
    import numpy as np
    import torch

    from pokegan.metrics.encoding import Encoder

QUANTILES = (0.05, 0.5, 0.95)


@click.command()
@model_argument
@click.argument("data", type=click.Path(path_type=Path))
@output_argument
@click.option("--count", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--neighbours", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--encoder", type=click.Choice(ENCODERS), default="effnet_lite0", show_default=True,
    help="Which network tells what resembles what.",
)  # fmt: skip
@seed_option
@step_option
@scale_option
def neighbours(
    model: str,
    data: Path,
    output: Path,
    count: int,
    neighbours: int,
    encoder: str,
    seed: int,
    step: int | None,
    scale: int,
) -> None:
    """Find the pictures of DATA that are nearest to those that MODEL draws: has it copied any?

    MODEL is a folder or a model in MLflow, DATA a data set (.npy) that was not enlarged by copies.
    OUTPUT (.png) gets a row a generated picture: itself, then its neighbours by their Euclidean
    distance in the encoder's features. Those of DATA are computed once and kept in .work/features.
    Standard output gets a JSON with rows, distances and, from the manifest beside DATA, the
    sources; closer_than is the share of true pictures whose own nearest other one is farther away.

    \b
    python -m pokegan.cli.neighbours models/dcgan819 data/pokemon819.npy neighbours.png
    python -m pokegan.cli.neighbours models/aegan data/pokemon14000.npy near.png --count 4 > near.json
    """  # noqa: D301
    check_output(output, SHEET)
    if data.suffix != ".npy" or data.is_dir():
        raise PipelineError(f"{data} is no data set; name an .npy such as data/pokemon819.npy.")
    folder = model_folder(model)

    import numpy as np

    from pokegan.analysis.copies import nearest
    from pokegan.cli.common import enlarged, load_drawing_generator, save_sheet, short
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.grids import grid
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.networks.sampling import generate_images, seeded_latents
    from pokegan.report.animation import captioned

    set_deterministic(seed)
    device = choose_device()
    generator, configuration = load_drawing_generator(folder, device, step)
    true = load_images(data)
    check_data(data, true, configuration["resolution"], neighbours)
    sources = read_manifest(data, len(true))
    network = load_encoder(encoder, device)
    features, apart = true_features(data, true, network, device)
    z = seeded_latents(count, configuration["latent_dim"], seed)
    drawn = generate_images(generator, z).numpy()
    distances, rows = nearest(encode(network, drawn, device).features, features, neighbours)

    pictures, captions, told = [], [], []
    for number, picture in enumerate(drawn):
        closer = float((apart > distances[number, 0]).mean())
        near = list(zip(rows[number].tolist(), distances[number].tolist(), strict=True))
        pictures += [picture, *true[rows[number]]]
        captions += [
            f"closer than {closer:.0%} of true",
            *(f"{row}: {far:.1f}" for row, far in near),
        ]
        found = [{"row": row, "distance": short(far), **sources.get(row, {})} for row, far in near]
        told.append({"picture": number, "closer_than": short(closer), "neighbours": found})
    sheet = captioned(enlarged(np.stack(pictures), scale), captions)
    save_sheet(output, grid(sheet, 1 + neighbours))
    quantiles = {f"{share:.0%}": short(np.quantile(apart, share)) for share in QUANTILES}
    result = {
        "model": model,
        "step": step,
        "seed": seed,
        "data": str(data),
        "pictures": len(true),
        "encoder": network.name,
        "encoder_sha256": network.sha256,
        "true_to_nearest_true": quantiles,
        "drawn": told,
    }
    click.echo(f"{output}: {count} pictures beside {len(true)} true ones", err=True)
    click.echo(json.dumps(result, indent=2))


def check_data(data: Path, true: np.ndarray, resolution: int, neighbours: int) -> None:
    """Raise a PipelineError unless the pictures TRUE of DATA fit RESOLUTION and NEIGHBOURS."""
    if true.shape[1] != resolution:
        raise PipelineError(
            f"{data} holds pictures of {true.shape[1]} pixels a side, but the model draws "
            f"{resolution}; name the data set that it was trained on."
        )
    if neighbours >= len(true):
        raise PipelineError(
            f"--neighbours is {neighbours}, but {data} holds {len(true)} pictures; lower it."
        )


def read_manifest(data: Path, count: int) -> dict[int, dict[str, Any]]:
    """Source file and frame of each row of DATA, of COUNT pictures, if a manifest says so."""
    import pandas as pd

    file = data.with_suffix(".csv")
    if not file.is_file():
        return {}
    try:
        manifest = pd.read_csv(file, keep_default_na=False)[["row", "source", "frame"]]
    except (OSError, ValueError, KeyError) as fault:
        click.echo(f"Warning: {file} cannot be read ({fault}); no sources are told.", err=True)
        return {}
    if manifest["row"].tolist() != list(range(count)):
        click.echo(f"Warning: {file} is not of {data}; no sources are told.", err=True)
        return {}
    told = zip(manifest["source"].tolist(), manifest["frame"].tolist(), strict=True)
    return {row: {"source": source, "frame": frame} for row, (source, frame) in enumerate(told)}


def true_features(
    data: Path, true: np.ndarray, encoder: Encoder, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """What ENCODER says of the pictures TRUE of DATA, and how far each is from its nearest other.

    (N, D) float32 and (N,) float64, kept in .work/features for the next time.
    """
    import numpy as np

    from pokegan.analysis.copies import nearest
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode

    with data.open("rb") as content:
        md5 = hashlib.file_digest(content, "md5").hexdigest()
    kept = root() / ".work" / "features" / f"{md5}_{encoder.name}.npz"
    # What is broken is computed again.
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(kept) as stored:
        if str(stored["sha256"]) == encoder.sha256:
            return stored["features"], stored["apart"]
    with progress_bar(f"encode {data.stem}", len(true)) as bar:
        features = encode(encoder, true, device, bar.update).features
    apart = nearest(features, features, 1, but_itself=True)[0][:, 0]
    with atomic_write(kept) as temporary, temporary.open("wb") as file:
        np.savez(file, sha256=encoder.sha256, features=features, apart=apart)
    return features, apart


if __name__ == "__main__":
    neighbours()
