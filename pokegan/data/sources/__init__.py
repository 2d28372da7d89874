"""The sources of pictures and labels: npm packages, a folder, a git repository, Kaggle.

A source yields names of files with their contents or paths. The stage `download` stores them in
one zip archive.
"""

from collections.abc import Iterator
from pathlib import Path

from pokegan.core.schema import Download
from pokegan.data.sources import folder, git, kaggle, npm


def read_source(params: Download, scratch: Path) -> Iterator[tuple[str, bytes | Path]]:
    """Yield name, and content or path, of each file of the source.

    Paths may lie in `scratch`, a folder for temporary files. Raises a PipelineError if the source
    is not available, incomplete, or not what is pinned.
    """
    match params.source:
        case "npm":
            return npm.read_packages(params.npm, scratch)
        case "folder":
            return folder.read_own_folder(params.folder)
        case "git":
            return git.read_repository(params.git, scratch)
        case "kaggle":
            return kaggle.read_dataset(params.kaggle)
