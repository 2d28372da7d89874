"""The protocol: equal numbers on both sides, and beside every score that of true pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pokegan.metrics.distances import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    nearest_distances,
    precision_recall,
)
from pokegan.metrics.encoding import Features
from pokegan.metrics.names import metric_name

# Generated pictures are near-duplicates when they lie closer together than the closest twentieth
# of the true ones.
CLOSE = 0.05
# The students' batch, and their ten parts of twelve pictures.
LEGACY_BATCH, LEGACY_SPLITS, LEGACY_SCORED = 128, 10, 120

Scores = dict[str, float]


class Reference:
    """What generated pictures are measured by: two halves of the true ones, N pictures each.

    The first is what is compared with; the second, if there is one, tells what true pictures
    score.
    """

    def __init__(self, first: Features, second: Features | None = None) -> None:
        self.first, self.second = first, second
        self._close = float(np.quantile(nearest_distances(first.features), CLOSE))

    def __len__(self) -> int:
        return len(self.first)

    def score(self, fakes: Features, splits: int) -> Scores:
        """Scores of FAKES, N pictures of the same encoder.

        fd, kd: Fréchet and kernel distance (smaller is better); cs: classifier score in SPLITS
        parts, where the encoder has classes; precision and recall; near_duplicates: the share of
        FAKES that has one among them.

        Raises:
            ValueError: FAKES are not N.
        """
        if len(fakes) != len(self):
            raise ValueError(f"{len(fakes)} generated pictures against {len(self)} true ones")
        reals = self.first.features
        precision, recall = precision_recall(fakes.features, reals)
        close = nearest_distances(fakes.features) <= self._close
        return {
            "fd": frechet_distance(fakes.features, reals),
            "kd": kernel_distance(fakes.features, reals),
            **({"cs": classifier_score(fakes.logits, splits)[0]} if fakes.logits.size else {}),
            "precision": precision,
            "recall": recall,
            "near_duplicates": float(close.mean()),
        }

    def floor(self, splits: int) -> Scores:
        """What the second half of the true pictures scores: as good as the truth."""
        assert self.second is not None
        return self.score(self.second, splits)


def summary(
    encoder: str, found: Scores, truth: Scores, spread: Scores | None = None
) -> dict[str, float]:
    """FOUND, its SPREAD and what the TRUTH scores in one mapping, by their full names.

    Six significant digits, which is more than any score is worth.
    """
    parts = {"": found, "_spread": spread or {}, "_reals": truth}
    return {
        f"{metric_name(score, encoder)}{kind}": round(float(f"{value:.6g}"), 12)
        for kind, scores in parts.items()
        for score, value in scores.items()
    }


def mean_and_spread(draws: Sequence[Scores]) -> tuple[Scores, Scores]:
    """Mean and standard deviation of the scores of DRAWS; of a single one there is no deviation."""
    values = {key: [scores[key] for scores in draws] for key in draws[0]}
    means = {key: float(np.mean(each)) for key, each in values.items()}
    if len(draws) == 1:
        return means, {}
    return means, {key: float(np.std(each, ddof=1)) for key, each in values.items()}


def legacy_scores(fakes: Features, reals: Features) -> Scores:
    """The students' protocol: 128 against a fixed 128, and ten parts of twelve pictures.

    For comparison with the students' own table alone, and only by their kind of encoder.

    Raises:
        ValueError: there are fewer than 128 pictures.
    """
    if min(len(fakes), len(reals)) < LEGACY_BATCH:
        raise ValueError(f"the students' protocol needs {LEGACY_BATCH} pictures on each side")
    first, second = fakes[:LEGACY_BATCH], reals[:LEGACY_BATCH]
    scores = {"fd": frechet_distance(first.features, second.features)}
    if fakes.logits.size:
        scores["cs"] = classifier_score(first.logits[:LEGACY_SCORED], LEGACY_SPLITS)[0]
    return scores


def legacy_best(checkpoints: Sequence[Scores]) -> Scores:
    """The students' figure: the best of all CHECKPOINTS, which is luck in good part."""
    return {
        score: (min if score == "fd" else max)(each[score] for each in checkpoints)
        for score in checkpoints[0]
    }
