"""Score a trained generator."""

from __future__ import annotations

from pathlib import Path

import click

from stages.outputs import save_json
from stages.params import read_params


@click.command()
@click.argument("name", type=click.Choice(["dcgan819", "dcgan14000", "aegan"]))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path))
def evaluate(name: str, pictures: Path, model: Path, scores: Path) -> None:
    """Score the generator of the network NAME in the folder MODEL against PICTURES.

    SCORES (JSON) gets a Fréchet distance with its floor (true against true pictures) and a
    classifier score beside the true pictures' own.
    """
    params = read_params("seed", "evaluate")

    from tqdm import tqdm

    from stages.datasets import load_pictures
    from stages.gan.device import be_exact, choose_device
    from stages.gan.networks import draw_pictures
    from stages.gan.randomness import Streams, latents
    from stages.gan.weights import load_generator
    from stages.scoring.encoders import EfficientNetLite0
    from stages.scoring.protocol import halves, score
    from stages.tracking import tracked

    with tracked(f"evaluate_{name}", params) as run:
        reals = halves(load_pictures(pictures), params.evaluate.pictures, params.seed)
        generator, configuration = load_generator(model)
        device = choose_device()
        be_exact(params.seed)
        encoder = EfficientNetLite0(device)
        stream = Streams(params.seed)["evaluation latents"]
        z = latents(len(reals[0]), configuration["latent_dim"], stream)
        fakes = draw_pictures(generator.to(device), z).numpy()
        with tqdm(total=3 * len(fakes), desc=f"evaluate_{name}", unit="picture") as bar:
            result = score(
                lambda batch: encoder(batch, bar.update),
                encoder.name,
                reals,
                fakes,
                params.evaluate.splits,
            )
        save_json(
            scores,
            {key: round(v, 4) if isinstance(v, float) else v for key, v in result.items()},
        )
        run.metrics({key: value for key, value in result.items() if not isinstance(value, str)})
        run.facts({"network": name, "encoder": encoder.name})
        shown = ", ".join(
            f"{key} {value:.2f}" for key, value in result.items() if isinstance(value, float)
        )
        click.echo(f"{scores}: {len(fakes)} pictures a side, {shown}", err=True)


if __name__ == "__main__":
    evaluate()
