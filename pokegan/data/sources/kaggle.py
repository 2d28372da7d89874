"""Source `kaggle`: a data set at a pinned version, through kagglehub (an extra)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.schema import KaggleDataset
from pokegan.data.sources.archive import read_folder


def read_dataset(source: KaggleDataset) -> Iterator[tuple[str, bytes]]:
    """Names (``pictures/path``) and contents of the pictures in SOURCE.

    Raises:
        PipelineError: kagglehub is not installed, or Kaggle does not give the data set.
    """
    try:
        import kagglehub
    except ImportError as fault:
        raise PipelineError(
            "download.source is kaggle, but kagglehub is not installed; run `make kaggle`."
        ) from fault
    handle = f"{source.dataset}/versions/{source.version}"
    try:
        folder = Path(kagglehub.dataset_download(handle))
    except Exception as fault:  # kagglehub raises what its http client raises
        lines = str(fault).strip().splitlines() or [type(fault).__name__]
        raise PipelineError(
            f"{handle} could not be fetched from Kaggle ({lines[0]}); check download.kaggle in "
            "params.yaml, the network and your Kaggle token."
        ) from fault
    yield from read_folder(folder, f"download.kaggle: {handle}")
