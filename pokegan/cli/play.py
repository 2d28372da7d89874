"""Open the playground, a local page for trained networks."""

import importlib.util
from contextlib import suppress
from pathlib import Path

import click

from pokegan.cli import common
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_networks, read_params

MODELS = Path("models")


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--port", type=click.IntRange(1, 65535), default=7860, help="Port of the page.")
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
def play(models: tuple[str, ...], port: int, no_browser: bool) -> None:
    """Open the playground, a local page for trained networks.

    It generates, moves, interpolates and reconstructs images with each MODEL. MODEL is a folder or
    a model in MLflow. The default is every trained network of the pipeline. The page is served to
    this machine only and loads nothing from the internet.

    \b
    make play
    pokegan play models/dcgan819 models:/pokegan-aegan@best_effnet_lite0
    """  # noqa: D301
    margin = read_params("prepare.margin").prepare.margin
    trained = (MODELS / name for name in read_networks() if (MODELS / name).is_dir())
    chosen = list(dict.fromkeys(models)) or [str(folder) for folder in trained]
    if not chosen:
        raise PipelineError(
            f"{MODELS}/ holds no trained network; train them (dvc repro), fetch them (dvc pull), "
            "or pass a MODEL."
        )
    folders = {model: common.model_folder(model) for model in chosen}
    common.check_port(port)
    if importlib.util.find_spec("nicegui") is None:
        raise PipelineError("The playground needs the package nicegui; run `make play`.")

    from nicegui import ui

    from pokegan.cli.playground.page import Page
    from pokegan.cli.playground.trained import TrainedNetwork
    from pokegan.compute.device import choose_device, set_deterministic

    set_deterministic(0)
    device = choose_device()
    networks = [TrainedNetwork(model, folder, device) for model, folder in folders.items()]
    click.echo(f"The playground is at http://{common.HOST}:{port}; Ctrl-C stops it.", err=True)
    with suppress(KeyboardInterrupt):
        ui.run(
            lambda: Page(networks, margin),
            host=common.HOST,
            port=port,
            title="PokéGAN playground",
            favicon="🎨",
            dark=None,  # the browser's setting
            tailwind=False,
            show=not no_browser,
            reload=False,
            show_welcome_message=False,
        )
