"""Where a result comes from: commit, versions. Facts that are told, never used."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


DECISIVE = ("stages", "dvc.yaml", "params.yaml", "requirements.lock")


def root() -> Path:
    """The repository's root, also from one of DVC's temporary workspaces."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def provenance() -> dict[str, str | bool]:
    """Now, the commit that is checked out, whether code or params differ from it, and versions."""
    facts: dict[str, str | bool] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git("rev-parse", "HEAD") or "none",
        # Not the whole tree: DVC itself has changed dvc.lock and reports/ by now.
        "git_dirty": bool(_git("status", "--porcelain", "--", *DECISIVE)),
        "python": platform.python_version(),
    }
    for package in ("torch", "torchvision", "numpy", "dvc", "mlflow"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "absent"
    return facts


def _git(*arguments: str) -> str:
    try:
        command = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return command.stdout.strip() if command.returncode == 0 else ""


def machine(device: torch.device) -> dict[str, str | int]:
    """DEVICE's kind and name, and the number of threads that computed."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
