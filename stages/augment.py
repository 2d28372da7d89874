"""Enlarge a data set threefold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.files import atomic_write, save_array
from pokegan.core.params import read_params
from pokegan.core.schema import Augment

if TYPE_CHECKING:
    import numpy as np

SHOWN = 24
COLUMNS = 12


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("enlarged", type=click.Path(path_type=Path))
@click.argument("sheet", type=click.Path(path_type=Path))
def augment(pictures: Path, enlarged: Path, sheet: Path) -> None:
    """Enlarge PICTURES threefold into ENLARGED: originals, mirror images, jittered copies.

    SHEET, for people, shows originals, each above its two copies.
    """
    params = read_params("seed", "augment")

    import numpy as np

    from pokegan.analysis.subset import evenly_spaced
    from pokegan.core.arrays import load_images
    from pokegan.core.grids import grid, to_image
    from pokegan.tracking.run import track_run

    with track_run("augment", params) as run:
        originals = load_images(pictures)
        copies = enlarge(originals, params.augment, params.seed)
        triples = evenly_spaced(copies.reshape(3, *originals.shape).swapaxes(0, 1), SHOWN)
        rows = [triples[i : i + COLUMNS] for i in range(0, len(triples), COLUMNS)]
        kinds = [row.swapaxes(0, 1).reshape(-1, *originals.shape[1:]) for row in rows]
        overview = grid(np.concatenate(kinds), COLUMNS)

        save_array(enlarged, copies)
        with atomic_write(sheet) as temporary:
            to_image(overview).save(temporary, format="PNG")
        run.log_image("enlargement", overview)
        run.log_metrics({"originals": len(originals), "pictures": len(copies)})
        click.echo(f"{enlarged}: {len(originals)} → {len(copies)} pictures", err=True)


def enlarge(originals: np.ndarray, jitter: Augment, seed: int) -> np.ndarray:
    """ORIGINALS (N, R, R, 3) uint8 → (3N, R, R, 3): themselves, mirrored, colour-jittered.

    The jitter is torchvision's: brightness, contrast and saturation, each by a factor drawn
    from 1 ± its value, in an order drawn for each picture. SEED decides every draw. With
    keep_white, pixels of pure white stay so.
    """
    import numpy as np
    import torch
    from torchvision.transforms.v2 import ColorJitter
    from torchvision.transforms.v2.functional import hflip

    change = ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation)
    channels_first = torch.from_numpy(np.array(originals)).permute(0, 3, 1, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        jittered = torch.stack([change(picture) for picture in channels_first])
    if jitter.keep_white:
        background = (channels_first == 255).all(dim=1, keepdim=True)
        jittered = jittered.masked_fill(background, 255)
    enlarged = torch.cat([channels_first, hflip(channels_first), jittered])
    return enlarged.permute(0, 2, 3, 1).contiguous().numpy()


if __name__ == "__main__":
    augment()
