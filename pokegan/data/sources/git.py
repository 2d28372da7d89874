"""The source `git`: a folder of pictures in a repository at a pinned commit."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import git
from pokegan.core.schema import GitFolder
from pokegan.data.sources.folder import read_folder


def read_repository(params: GitFolder, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file below a folder; only that commit of it is fetched."""
    name = f"{params.repository} at {params.commit[:12]}"
    below = params.path.removeprefix("./").strip("/").removesuffix(".")
    if ".." in Path(below).parts:
        raise PipelineError(
            f"download.git.path: {params.path} leaves the repository; correct the path."
        )
    try:
        git("init", "--quiet", folder=scratch)
        git("remote", "add", "--", "origin", params.repository, folder=scratch)
        patterns = f"/{below}/" if below else "/*"
        git("sparse-checkout", "set", "--no-cone", patterns, folder=scratch)
        options = ("--quiet", "--depth=1", "--filter=blob:none")
        git("fetch", *options, "origin", params.commit, folder=scratch)
        git("checkout", "--quiet", "FETCH_HEAD", folder=scratch)
    except FileNotFoundError as error:
        raise PipelineError("git is not installed; install it and run again.") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise PipelineError(
            f"{name} could not be fetched ({reason}); check download.git in params.yaml and the "
            "network."
        ) from error
    if not (scratch / below).is_dir():
        raise PipelineError(
            f"download.git.path: {params.path} is not a folder of {name}; correct the path."
        )
    yield from read_folder(scratch / below, f"download.git.path: {params.path}")
