"""The protocol: equal numbers on both sides, and beside every distance the floor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.errors import PipelineError
from stages.scoring.distances import classifier_score, frechet_distance
from stages.scoring.encoders import Encoding


def halves(reals: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of REALS without a common picture, each of at most MOST pictures.

    Raises:
        PipelineError: there are fewer than four pictures.
    """
    count = min(most, len(reals) // 2)
    if count < 2:
        raise PipelineError(
            f"{len(reals)} true pictures are too few to score against; at least four are needed."
        )
    order = np.random.default_rng(seed).permutation(len(reals))
    return reals[np.sort(order[:count])], reals[np.sort(order[count : 2 * count])]


def score(
    encode: Callable[[np.ndarray], Encoding],
    encoder: str,
    reals: tuple[np.ndarray, np.ndarray],
    fakes: np.ndarray,
    splits: int,
) -> dict[str, float | int | str]:
    """Scores of FAKES against the first half of REALS, and the floor: half against half.

    All three sets hold the same number of pictures, since a Fréchet distance shrinks with it.
    Keys name the encoder: fd_… (smaller is better, not below the floor), cs_… (the formula
    of the Inception Score; the reals' own value stands beside it).

    Raises:
        PipelineError: there are fewer pictures than splits.
    """
    first, second = (encode(half) for half in reals)
    generated = encode(fakes)
    if len(fakes) < splits:
        raise PipelineError(
            f"evaluate.splits is {splits}, but only {len(fakes)} pictures are scored; lower it."
        )
    fake_score, fake_spread = classifier_score(generated.logits, splits)
    real_score, real_spread = classifier_score(first.logits, splits)
    return {
        "encoder": encoder,
        "pictures": len(fakes),
        f"fd_{encoder}": frechet_distance(generated.features, first.features),
        f"fd_{encoder}_floor": frechet_distance(second.features, first.features),
        f"cs_{encoder}": fake_score,
        f"cs_{encoder}_spread": fake_spread,
        f"cs_{encoder}_reals": real_score,
        f"cs_{encoder}_reals_spread": real_spread,
    }
