"""Classify types of Pokémon: how much does a picture's appearance depend on its type?"""

from pathlib import Path
from typing import Any

import click

from pokegan.core.files import save_arrays, save_json
from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("types", type=click.Path(path_type=Path))
@click.argument("output_npz", metavar="OUTPUT.npz", type=click.Path(path_type=Path))
@click.argument("output_json", metavar="OUTPUT.json", type=click.Path(path_type=Path))
def classify_types(
    encoder: str, pictures: Path, types: Path, output_npz: Path, output_json: Path
) -> None:
    """Classify the first TYPES of held-out PICTURES by different features.

    The features are color alone, shape alone, raw pixels, and those of ENCODER. OUTPUT.npz gets
    the mean color, picture and silhouette of each type, OUTPUT.json the scores.
    """
    params = read_params("seed")

    from pokegan.analysis import appearance, probing
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.tracking.run import track_run

    images = load_images(pictures)
    labels = probing.read_labels(types, len(images))
    task = probing.make_task(labels)
    set_deterministic(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    facts = {"encoder": encoder, "encoder_sha256": network.sha256, **task.facts}
    arrays: dict[str, Any] = appearance.type_portraits(images, labels["first_type"])
    scores: dict[str, float] = {}
    with track_run("classify_types", params) as run:
        if task.is_possible:
            labeled = images[task.rows]
            with progress_bar("classify_types", len(task)) as bar:
                encoded = encode(network, labeled, device, bar.update).features
            folds, facts["commonest"] = probing.majority_baseline(task, params.seed)
            scores |= probing.summarize("commonest", folds)
            for kind, features in {
                "colour": appearance.color_histograms(labeled),
                "shape": appearance.shapes(labeled),
                "pixels": appearance.raw_pixels(labeled),
                "encoder": encoded,
            }.items():
                folds, predictions = probing.linear_probe(features, task, params.seed)
                scores |= probing.summarize(kind, folds)
                accuracies = probing.accuracy_by_type(task, predictions, arrays["names"])
                arrays[f"told_by_{kind}"] = accuracies
        save_json(output_json, facts | scores)
        save_arrays(output_npz, **arrays)
        run.log_metrics(scores)
        run.set_tags({**facts, **machine(device)})
        click.echo(f"{output_json}: {len(task)} pictures of {len(set(task.types))} types", err=True)


if __name__ == "__main__":
    classify_types()
