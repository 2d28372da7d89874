"""The scores of generated against real images, and of real against real images."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from pokegan.core.files import round_sig
from pokegan.metrics import distances
from pokegan.metrics.encoding import Features
from pokegan.metrics.names import metric_name

# Quantile of the nearest distances between real images below which two images are near-duplicates.
CLOSE_QUANTILE = 0.05

Scores = dict[str, float]


class Reference:
    """Features of N real images to score generated images against, and of N others."""

    def __init__(self, first: Features, second: Features | None = None, splits: int = 1) -> None:
        self.first, self.second, self.splits = first, second, splits
        self._nearest = distances.nearest_distances(first.features)
        self._close = float(np.quantile(self._nearest[:, 0], CLOSE_QUANTILE))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def md5(self) -> str:
        """A hash of the features that images are scored against."""
        return hashlib.md5(self.first.features.tobytes(), usedforsecurity=False).hexdigest()

    def score(self, fakes: Features) -> Scores:
        """Score generated images by Fréchet and kernel distance, classifier score and more.

        Less is better for `fd`, `kd` and `near_duplicates`, the share of images that have a
        near-duplicate among the others. There is no `cs` from an encoder without classes.
        """
        pair = fakes.features, self.first.features
        scores = {"fd": distances.frechet_distance(*pair), "kd": distances.kernel_distance(*pair)}
        if fakes.logits.size:
            scores["cs"] = distances.classifier_score(fakes.logits, self.splits)[0]
        nearest = distances.nearest_distances(fakes.features)
        between = distances.pairwise_distances(*pair)
        scores |= distances.manifold_scores(between, nearest, self._nearest)
        scores["near_duplicates"] = float((nearest[:, 0] <= self._close).mean())
        return scores

    def score_draws(self, draws: Sequence[Features]) -> tuple[Scores, Scores]:
        """Return mean and standard deviation (empty for one draw) of the scores of each draw."""
        scores = [self.score(fakes) for fakes in draws]
        values = {key: [each[key] for each in scores] for key in scores[0]}
        mean = {key: float(np.mean(each)) for key, each in values.items()}
        std = {key: float(np.std(each, ddof=1)) for key, each in values.items() if len(each) > 1}
        return mean, std

    def fd_infinity(self, draws: Sequence[Features]) -> float:
        """Return the Fréchet distance of infinitely many images to all real ones, by all draws."""
        reals = [each.features for each in (self.first, self.second) if each is not None]
        fakes = [each.features for each in draws]
        return distances.frechet_distance_infinity(np.concatenate(fakes), np.concatenate(reals))

    def real_scores(self) -> Scores:
        """Score the other real images, real against real; empty without any."""
        return {} if self.second is None else self.score(self.second)


def named_scores(
    encoder: str,
    mean: Mapping[str, float],
    reals: Mapping[str, float] = {},
    std: Mapping[str, float] = {},
) -> dict[str, float]:
    """Join scores by metric name; real vs real ends with ``_reals``, std with ``_spread``."""
    return {
        f"{metric_name(score, encoder)}{suffix}": round_sig(value)
        for suffix, scores in (("", mean), ("_spread", std), ("_reals", reals))
        for score, value in scores.items()
    }
