"""Score a trained generator over its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_json, save_table
from pokegan.core.params import NetworkName, Params, read_params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from pokegan.metrics.encoding import Encoder, Features
    from pokegan.metrics.protocol import Reference, Scores


@click.command()
@click.argument("network", type=NetworkName())
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument(
    "outputs", metavar="SCORES.json SCORES.csv", nargs=2, type=click.Path(path_type=Path)
)
def evaluate(network: str, features: Path, model: Path, outputs: tuple[Path, Path]) -> None:
    """Score the generator of NETWORK in the folder MODEL with each encoder of evaluate.encoders.

    FEATURES (.npz) are those of the real images. The table SCORES.csv has one row for each of some
    snapshots of the training. SCORES.json has mean and spread of the last snapshot's scores over
    several draws of latents, the Fréchet distance extrapolated to infinitely many images, and the
    scores of real against real images.
    """
    params = read_params(
        "seed", "evaluate.encoders", "evaluate.draws", "evaluate.curve_points", "evaluate.splits"
    )
    stage = f"evaluate@{network}"

    import pandas as pd

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import load_encoder
    from pokegan.metrics.features import load_features
    from pokegan.metrics.names import metric_name
    from pokegan.metrics.protocol import Reference, named_scores
    from pokegan.tracking.run import track_run

    set_deterministic(params.seed)
    device, splits = choose_device(), params.evaluate.splits
    encoders = [load_encoder(name, device) for name in params.evaluate.encoders]
    references = {each: Reference(*load_features(features, each), splits) for each in encoders}
    count = len(references[encoders[0]])
    if splits > count:
        raise PipelineError(
            f"evaluate.splits is {splits}, but only {count} images are scored; lower it."
        )
    with track_run(stage, params) as run:
        rows = []
        for snapshot, draws in encode_snapshots(stage, model, encoders, count, params, device):
            scores = {each: references[each].score_draws(draws[each]) for each in encoders}
            logged: dict[str, float] = {}
            for encoder, (mean, _) in scores.items():
                logged |= named_scores(encoder.name, mean)
            rows.append({**snapshot, **logged})
            run.log_metrics(logged, step=snapshot["step"])
        facts: dict[str, Any] = {"pictures": count, "draws": params.evaluate.draws}
        facts["splits"] = splits
        for encoder, reference in references.items():
            facts[f"sha256_{encoder.name}"] = encoder.sha256
            facts[f"reference_{encoder.name}"] = reference.md5
        final = final_scores(references, scores, draws)
        save_table(outputs[1], pd.DataFrame(rows), digits=6)
        save_json(outputs[0], {**facts, **final})
        run.log_metrics({key: value for key, value in final.items() if key not in logged})
        run.set_tags({"network": network, **facts, **machine(device)})
        run.log_model(network, model, {**facts, **final})
        for fd in (metric_name("fd", encoder.name) for encoder in encoders):
            click.echo(
                f"{outputs[0]}: {fd} {final[fd]:.3g} ± {final.get(f'{fd}_spread', 0):.2g}, "
                f"real vs real {final[f'{fd}_reals']:.3g}; {count} images per side",
                err=True,
            )


def final_scores(
    references: Mapping[Encoder, Reference],
    scores: Mapping[Encoder, tuple[Scores, Scores]],
    draws: Mapping[Encoder, list[Features]],
) -> dict[str, float]:
    """Return the scores of the last snapshot by the names of their metrics.

    They are mean and deviation over the draws, the extrapolated Fréchet distance, and the scores of
    real against real images.
    """
    from pokegan.metrics.protocol import named_scores

    final: dict[str, float] = {}
    for encoder, (mean, std) in scores.items():
        reference = references[encoder]
        mean["fd_infinity"] = reference.fd_infinity(draws[encoder])
        final |= named_scores(encoder.name, mean, reference.real_scores(), std)
    return final


def encode_snapshots(
    title: str,
    model: Path,
    encoders: Sequence[Encoder],
    count: int,
    params: Params,
    device: torch.device,
) -> Iterator[tuple[dict[str, Any], dict[Encoder, list[Features]]]]:
    """Encode `count` generated images of snapshots of a generator, of the last in several draws.

    Yields epoch and step of the snapshot, and by encoder the features of each draw of latents.
    """
    import numpy as np

    from pokegan.compute.randomness import Streams
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode
    from pokegan.networks.sampling import generate_images, sample_latents
    from pokegan.networks.weights import load_network, read_config

    config, draws = read_config(model), params.evaluate.draws
    if not config["snapshots"]:
        raise PipelineError(f"{model} holds no snapshot of its generator; train it again.")
    points = min(params.evaluate.curve_points, len(config["snapshots"]))
    # From the last one backwards: a single point is the last.
    rows = np.linspace(len(config["snapshots"]) - 1, 0, points).round().astype(int)[::-1]
    snapshots = [config["snapshots"][row] for row in rows]
    stream = Streams(params.seed)["evaluation latents"]
    z = sample_latents(draws * count, config["latent_dim"], stream).split(count)
    with progress_bar(title, (points - 1 + draws) * count * len(encoders)) as bar:
        for snapshot in snapshots:
            generator = load_network(model, "generator", snapshot["step"]).to(device)
            fakes: dict[Encoder, list[Features]] = {each: [] for each in encoders}
            for each in z if snapshot is snapshots[-1] else z[:1]:
                images = generate_images(generator, each).numpy()
                for encoder in encoders:
                    fakes[encoder].append(encode(encoder, images, device, bar.update))
            yield {key: snapshot[key] for key in ("epoch", "step")}, fakes


if __name__ == "__main__":
    evaluate()
