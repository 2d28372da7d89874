"""Bring MLflow up to date with what DVC knows."""

from __future__ import annotations

import click

from stages.errors import PipelineError


@click.command()
def sync() -> None:
    """Give MLflow the runs that it lacks: of stages that DVC restored, or that came with a clone.

    Runs whose process died are closed, and artifacts are found again after the repository was
    moved. Every stage does the same when it begins.
    """
    from stages.tracking import bring_up_to_date

    try:
        restored = bring_up_to_date()
    except Exception as fault:  # MLflow's faults are many
        raise PipelineError(
            f"MLflow's store cannot be used ({str(fault).splitlines()[0]}); see "
            "MLFLOW_TRACKING_URI, or move mlflow.db away."
        ) from fault
    click.echo(
        f"Restored: {', '.join(restored)}." if restored else "MLflow is up to date.", err=True
    )


if __name__ == "__main__":
    sync()
