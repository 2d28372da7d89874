"""Complete MLflow's runs."""

import click

from pokegan.core.errors import PipelineError


@click.command()
def sync() -> None:
    """Complete the MLflow runs from the files that DVC tracks.

    Adds the runs of stages that DVC restored or that came with a clone, of DVC experiments that
    were fetched, and what a run lacks since MLflow could not be reached. Closes runs whose process
    died, and finds the artifacts of a repository that was moved.
    """
    from pokegan.tracking.store import connect, first_line
    from pokegan.tracking.sync import sync_runs

    try:
        synced = sync_runs(connect(), wait=60, revisions=True)
    except Exception as error:  # each kind of store has its own errors
        raise PipelineError(
            f"MLflow could not be synchronized ({first_line(error).rstrip('.')}); check that the "
            "store (MLFLOW_TRACKING_URI, by default mlflow.db) can be written, and run it again."
        ) from error
    click.echo(f"Completed: {', '.join(synced)}." if synced else "MLflow is up to date.", err=True)
