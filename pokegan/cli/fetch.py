"""Download the published weights of an encoder."""

from contextlib import suppress
from http.client import HTTPException
from importlib import import_module
from urllib.error import URLError

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write


@click.command()
@click.argument("encoder", type=click.Choice(["inception", "dinov2"]))
def fetch(encoder: str) -> None:
    """Download the published weights of an encoder.

    They are stored in .weights/, and their sha256 is checked. An existing correct file is kept, and
    so is the copy that POKEGAN_<ENCODER>_WEIGHTS names.
    """
    from torch.hub import download_url_to_file

    weights = import_module(f"pokegan.encoders.{encoder}").WEIGHTS
    if weights.override:
        click.echo(f"{weights.variable} selects {weights.find()}.", err=True)
        return
    with suppress(PipelineError):
        click.echo(f"{weights.find()} exists already.", err=True)
        return
    click.echo(f"{weights.url}, {weights.size / 1e6:.0f} MB", err=True)
    with atomic_write(weights.default) as temporary:
        try:
            download_url_to_file(weights.url, str(temporary), hash_prefix=weights.sha256)
        except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as error:
            raise PipelineError(
                f"{weights.url} could not be downloaded ({error}); try again, or download it on "
                f"another machine and set {weights.variable} to the file."
            ) from error
    click.echo(f"{weights.default}", err=True)
