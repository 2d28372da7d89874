"""Fetch the published weights of an encoder."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import URLError

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write


@click.command()
@click.argument("encoder", type=click.Choice(["inception", "dinov2"]))
def fetch(encoder: str) -> None:
    """Fetch the weights of ENCODER from where its authors publish them, into .weights/.

    They are checked by their sha256. A file that is there already, and right, stays.
    """
    from importlib import import_module

    from torch.hub import download_url_to_file

    weights = import_module(f"stages.scoring.encoders.{encoder}").WEIGHTS
    if weights.named:
        raise PipelineError(
            f"{weights.variable} names {weights.named}, which is then used; unset it to fetch."
        )
    try:
        click.echo(f"{weights.find()} is there already.", err=True)
        return
    except PipelineError:
        pass
    click.echo(f"{weights.url}, {weights.size / 1e6:.0f} MB", err=True)
    with atomic_write(weights.kept) as temporary:
        try:
            download_url_to_file(weights.url, str(temporary), hash_prefix=weights.sha256)
        except (URLError, HTTPException, ConnectionError, TimeoutError) as fault:
            raise PipelineError(
                f"{weights.url} could not be fetched ({fault}); try again, or fetch it elsewhere "
                f"and name the copy by {weights.variable}."
            ) from fault
        except RuntimeError as fault:
            raise PipelineError(
                f"{weights.url} is not what was published ({fault}); nothing was kept."
            ) from fault
    click.echo(f"{weights.kept}", err=True)


if __name__ == "__main__":
    fetch()
