"""Play with trained networks on a page of this machine."""

from __future__ import annotations

import importlib.util
import socket
from contextlib import closing, suppress
from pathlib import Path

import click

from pokegan.cli.common import model_folder
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params

HOST = "127.0.0.1"
MODELS = Path("models")


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--port", type=click.IntRange(1, 65535), default=7860, show_default=True)
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
def play(models: tuple[str, ...], port: int, no_browser: bool) -> None:
    """Show a page on which the trained networks MODEL draw: samples, directions, what lies between.

    MODEL is a folder or a model in MLflow; without one, all in models/ are there. An AEGAN also
    draws pictures of yours again. Nobody but this machine is served, and nothing is fetched.

    \b
    make play
    python -m pokegan.cli.play models/dcgan819 models:/pokegan-aegan@best_effnet_lite0
    """  # noqa: D301
    chosen = list(dict.fromkeys(models)) or [
        str(file.parent) for file in sorted(MODELS.glob("*/config.json"))
    ]
    if not chosen:
        raise PipelineError(
            f"There is no trained network in {MODELS}/; train them (make repro), fetch them "
            "(dvc pull), or name a MODEL."
        )
    folders = {where: model_folder(where) for where in chosen}
    margin = read_params("prepare.margin").prepare.margin
    check_port(port)
    if importlib.util.find_spec("nicegui") is None:
        raise PipelineError(
            "The playground needs nicegui, which is not installed; run `make play`."
        )

    from nicegui import ui

    from pokegan.cli.playground.page import Page
    from pokegan.cli.playground.trained import Trained
    from pokegan.compute.device import choose_device, set_deterministic

    set_deterministic(0)
    device = choose_device()
    networks = [Trained(where, folder, device) for where, folder in folders.items()]
    click.echo(f"The playground is at http://{HOST}:{port}; Ctrl-C ends it.", err=True)
    with suppress(KeyboardInterrupt):  # the way to end it
        ui.run(
            lambda: Page(networks, margin),
            host=HOST,
            port=port,
            title="PokéGAN playground",
            favicon="🎨",
            dark=None,  # as the browser is
            tailwind=False,
            show=not no_browser,
            reload=False,
            show_welcome_message=False,
        )


def check_port(port: int) -> None:
    """Refuse PORT if another program listens there.

    Raises:
        PipelineError: the port cannot be had.
    """
    with closing(socket.socket()) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ours.bind((HOST, port))
        except OSError as fault:
            raise PipelineError(
                f"Port {port} cannot be had ({fault.strerror}); name another: --port {port + 1}."
            ) from fault


if __name__ == "__main__":
    play()
