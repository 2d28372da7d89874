"""Source `git`: a folder of pictures in a repository at a pinned commit, fetched sparsely."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.schema import GitFolder
from pokegan.data.sources.archive import read_folder


def read_repository(source: GitFolder, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Names (``pictures/path``) and contents of the pictures in SOURCE, cloned into SCRATCH.

    Only the commit's own files below SOURCE.path are fetched.

    Raises:
        PipelineError: the repository, the commit or the path cannot be had.
    """
    clone = scratch / "clone"
    clone.mkdir()
    below = source.path.removeprefix("./").strip("/").removesuffix(".")
    if ".." in Path(below).parts:
        raise PipelineError(
            f"download.git.path: {source.path} leaves the repository; correct the path."
        )
    for command in (
        ["init", "--quiet"],
        ["remote", "add", "--", "origin", source.repository],
        ["sparse-checkout", "set", "--no-cone", f"/{below}/" if below else "/*"],
        ["fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", source.commit],
        ["checkout", "--quiet", "FETCH_HEAD"],
    ):
        _git(command, clone, source)
    folder = clone / below
    if not folder.is_dir():
        raise PipelineError(
            f"download.git.path: {source.path} is no folder in {source.repository} at "
            f"{source.commit[:12]}; correct the path."
        )
    yield from read_folder(folder, f"download.git.path: {source.path}")


def _git(arguments: list[str], clone: Path, source: GitFolder) -> None:
    try:
        command = subprocess.run(
            ["git", *arguments],
            cwd=clone,
            capture_output=True,
            text=True,
            check=False,
            # A repository that wants a password is a fault to tell, not a prompt to wait at.
            # What a git hook sets for its own repository must not reach ours.
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
                "GIT_TERMINAL_PROMPT": "0",
            },
        )
    except FileNotFoundError as fault:
        raise PipelineError("There is no git client; install git.") from fault
    if command.returncode != 0:
        reason = (command.stderr.strip().splitlines() or ["no message"])[-1]
        raise PipelineError(
            f"{source.repository} at {source.commit[:12]} could not be fetched ({reason}); "
            "check download.git in params.yaml and the network."
        )
