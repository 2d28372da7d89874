"""Bring MLflow up to date with what DVC knows."""

from __future__ import annotations

import click

from pokegan.core.errors import PipelineError


@click.command()
def sync() -> None:
    """Give MLflow the runs that it lacks: of stages that DVC restored, or that came with a clone.

    Runs whose process died are closed, and artifacts are found again after the repository was
    moved. Every stage does the same when it begins.
    """
    from pokegan.tracking.run import bring_up_to_date
    from pokegan.tracking.store import first_line

    try:
        restored = bring_up_to_date()
    except Exception as fault:  # MLflow's faults are many
        raise PipelineError(
            f"MLflow could not be brought up to date ({first_line(fault)}); see that the store of "
            "MLFLOW_TRACKING_URI, or else mlflow.db, can be written, and try again."
        ) from fault
    click.echo(
        f"Restored: {', '.join(restored)}." if restored else "MLflow is up to date.", err=True
    )


if __name__ == "__main__":
    sync()
