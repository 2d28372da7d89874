"""What the tests of the command `pokegan` share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from pokegan.cli import main
from pokegan.cli.common import load_generator_at
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.conftest import commit, make_repository

CPU = torch.device("cpu")
GAP = 2
Pokegan = Callable[..., Result]


@pytest.fixture
def pokegan(workspace: Path) -> Pokegan:
    """Call the command in the workspace: ``pokegan("sample", …)`` returns click's result."""
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])


def make_arithmetic(folder: Path, stage: str, stages: str) -> Path:
    """Make a repository whose pipeline is one stage of arithmetic, stages/arithmetic.py."""
    make_repository(folder)
    (folder / "stages/arithmetic.py").write_text(stage)
    declared = (folder / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(declared[: declared.index("stages:")] + stages)
    commit(folder, "arithmetic")
    return folder


def generated(
    model: Path, count: int, seed: int = 1, truncation: float | None = None
) -> np.ndarray:
    """Return the images that `pokegan sample` generates with a model of latent_dim 8."""
    generator, _ = load_generator_at(model, CPU)
    return generate_images(generator, seeded_latents(count, 8, seed, truncation)).numpy()


def cells(file: str | Path, columns: int, size: int, height: int | None = None) -> np.ndarray:
    """Return the images (N, height, size, 3) of a sheet with white gaps of two pixels."""
    sheet, height = np.asarray(Image.open(file)), height or size
    assert sheet.shape[1] == columns * (size + GAP) + GAP
    blocks = sheet[GAP:, GAP:].reshape(-1, height + GAP, columns, size + GAP, 3)
    return blocks.swapaxes(1, 2)[:, :, :height, :size].reshape(-1, height, size, 3)
