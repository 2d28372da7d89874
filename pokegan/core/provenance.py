"""Record where a result comes from: commit, package versions, device. No result depends on it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SOURCES = ("stages", "pokegan", "dvc.yaml", "params.yaml", "requirements.lock")
SET_BY_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
PACKAGES = ("torch", "torchvision", "numpy", "dvc", "mlflow")


def root() -> Path:
    """Return the root of the repository, also in DVC's temporary workspaces."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def git(*arguments: str, folder: Path | None = None, check: bool = True) -> str:
    """Run git in a folder and return what it prints, stripped.

    The settings of a surrounding git hook are ignored, and git never prompts for a password. The
    folder is the working directory by default. If git is not installed or fails, the error of
    `subprocess` is raised, or without `check` the result is "".
    """
    env = {key: value for key, value in os.environ.items() if key not in SET_BY_HOOKS}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**env, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            check=check,
        )
    except FileNotFoundError:
        if check:
            raise
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def provenance() -> dict[str, str | bool]:
    """Return the date, the commit, whether code or parameters differ from it, and versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git("rev-parse", "HEAD", check=False) or "none",
        # Not the whole tree: DVC has changed dvc.lock and reports/ by now.
        "git_dirty": bool(git("status", "--porcelain", "--", *SOURCES, check=False)),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def machine(device: torch.device) -> dict[str, str | int]:
    """Return the kind and the name of the device, and the number of CPU threads."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}


def _processor() -> str:
    with suppress(OSError):
        if found := re.search(r"model name\s*:(.*)", Path("/proc/cpuinfo").read_text("utf-8")):
            return found[1].strip()
    return platform.processor() or platform.machine()
