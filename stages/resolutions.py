"""Whether pictures and networks are of one size."""

from __future__ import annotations

from pathlib import Path

from stages.errors import PipelineError


def check_resolution(pictures: Path, side: int, resolution: int) -> None:
    """Raise a PipelineError unless PICTURES have the SIDE that a network was trained at."""
    if side != resolution:
        raise PipelineError(
            f"{pictures} holds pictures of {side} pixels a side, but the network was trained on "
            f"{resolution}; run `dvc repro`, which makes both of one size."
        )
