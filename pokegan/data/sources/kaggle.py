"""The source `kaggle`: a data set at a pinned version, downloaded by kagglehub."""

from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.schema import KaggleDataset
from pokegan.data.sources.folder import read_folder


def read_dataset(params: KaggleDataset) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file of a Kaggle data set."""
    try:
        import kagglehub
    except ImportError as error:
        raise PipelineError(
            "download.source is kaggle, but kagglehub is not installed; run `make kaggle`."
        ) from error
    handle = f"{params.dataset}/versions/{params.version}"
    try:
        folder = Path(kagglehub.dataset_download(handle))
    except Exception as error:  # kagglehub documents no exceptions
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PipelineError(
            f"{handle} could not be downloaded from Kaggle ({reason}); check download.kaggle in "
            "params.yaml, the network and your Kaggle token."
        ) from error
    yield from read_folder(folder, f"download.kaggle: {handle}")
