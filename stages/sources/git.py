"""Source `git`: a folder of pictures in a repository at a pinned commit, fetched sparsely."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from stages.errors import PipelineError
from stages.params import GitFolder
from stages.sources.archive import read_folder


def read_repository(source: GitFolder, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Names (``pictures/path``) and contents of the pictures in SOURCE, cloned into SCRATCH.

    Only the commit's own files below SOURCE.path are fetched.

    Raises:
        PipelineError: the repository, the commit or the path cannot be had.
    """
    clone = scratch / "clone"
    _git("init", "--quiet", str(clone), source=source)
    _git("-C", str(clone), "remote", "add", "origin", "--", source.repository, source=source)
    _git(
        "-C",
        str(clone),
        "sparse-checkout",
        "set",
        "--no-cone",
        f"/{source.path.strip('/')}/",
        source=source,
    )
    _git(
        "-C",
        str(clone),
        "fetch",
        "--quiet",
        "--depth=1",
        "--filter=blob:none",
        "origin",
        source.commit,
        source=source,
    )
    _git("-C", str(clone), "checkout", "--quiet", "FETCH_HEAD", source=source)
    folder = clone / source.path
    if not folder.is_dir():
        raise PipelineError(
            f"download.git.path: {source.path} is no folder in {source.repository} at "
            f"{source.commit[:12]}; correct the path."
        )
    found = False
    for name, content in read_folder(folder):
        found = True
        yield f"pictures/{name}", content
    if not found:
        raise PipelineError(f"download.git.path: {source.path} holds no picture; correct the path.")


def _git(*arguments: str, source: GitFolder) -> None:
    try:
        command = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as fault:
        raise PipelineError("There is no git client; install git.") from fault
    if command.returncode != 0:
        reason = (command.stderr.strip().splitlines() or ["no message"])[-1]
        raise PipelineError(
            f"{source.repository} at {source.commit[:12]} could not be fetched ({reason}); "
            "check download.git in params.yaml and the network."
        )
