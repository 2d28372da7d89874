"""The scoring protocol: equal numbers of real and generated images, and real against real."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from pokegan.core.errors import PipelineError
from pokegan.core.files import round_sig
from pokegan.core.schema import Evaluate
from pokegan.metrics.distances import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from pokegan.metrics.encoding import Features
from pokegan.metrics.names import metric_name
from pokegan.metrics.neighbors import nearest_neighbors

# Quantile of the nearest distances between real images below which two images are near-duplicates.
CLOSE_QUANTILE = 0.05
# Batch of the student report that the project follows, and its ten splits of twelve images.
LEGACY_BATCH, LEGACY_SPLITS, LEGACY_SCORED = 128, 10, 120

Scores = dict[str, float]


class Reference:
    """Features of N real images to score generated images against, and of N others."""

    def __init__(self, first: Features, second: Features | None = None, splits: int = 1) -> None:
        self.first, self.second, self.splits = first, second, splits
        self._close = float(np.quantile(_nearest(first), CLOSE_QUANTILE))

    def __len__(self) -> int:
        return len(self.first)

    def score(self, fakes: Features) -> Scores:
        """Score N generated images by Fréchet and kernel distance, classifier score and more.

        Less is better for `fd`, `kd` and `near_duplicates`, the share of images that have a
        near-duplicate among the others. There is no `cs` from an encoder without classes.
        """
        if len(fakes) != len(self):
            raise ValueError(f"{len(fakes)} generated images against {len(self)} real ones")
        reals = self.first.features
        precision, recall = precision_recall(fakes.features, reals)
        close = _nearest(fakes) <= self._close
        cs = {"cs": classifier_score(fakes.logits, self.splits)[0]} if fakes.logits.size else {}
        return {
            "fd": frechet_distance(fakes.features, reals),
            "kd": kernel_distance(fakes.features, reals),
            **cs,
            "precision": precision,
            "recall": recall,
            "near_duplicates": float(close.mean()),
        }

    def score_draws(self, draws: Iterable[Features]) -> tuple[Scores, Scores]:
        """Return mean and standard deviation (empty for one draw) of the scores of each draw."""
        scores = [self.score(fakes) for fakes in draws]
        values = {key: [each[key] for each in scores] for key in scores[0]}
        mean = {key: float(np.mean(each)) for key, each in values.items()}
        std = {key: float(np.std(each, ddof=1)) for key, each in values.items() if len(each) > 1}
        return mean, std

    def real_scores(self) -> Scores:
        """Score the other real images, real against real; empty without any."""
        return {} if self.second is None else self.score(self.second)


def _nearest(images: Features) -> np.ndarray:
    """Distance (N,) from each image to the nearest other image."""
    return nearest_neighbors(images.features, images.features, 1, exclude_self=True)[0][:, 0]


def check_counts(params: Evaluate, count: int) -> None:
    """Raise a PipelineError unless this number of images per side suffices for the parameters."""
    if params.splits > count:
        raise PipelineError(
            f"evaluate.splits is {params.splits}, but only {count} images are scored; lower it."
        )
    if params.legacy_128 and count < LEGACY_BATCH:
        raise PipelineError(
            f"evaluate.legacy_128 needs {LEGACY_BATCH} images on each side, but there are {count}; "
            "raise evaluate.pictures, or set it to false."
        )


class SnapshotScores(NamedTuple):
    """Scores of the generator after a step of its training."""

    epoch: float
    step: int
    mean: Scores
    std: Scores  # over several draws; empty for one
    legacy: Scores  # by `legacy_scores`; empty unless evaluate.legacy_128 is set


def score_snapshots(
    snapshots: Sequence[Mapping[str, Any]],
    sample: Callable[[int, Tensor, bool], Features],
    reference: Reference,
    draws: Sequence[Tensor],
    legacy_draw: Tensor | None,
) -> Iterator[SnapshotScores]:
    """Score a generator over its training: all snapshots by one draw, the last by several.

    Args:
        snapshots: epoch and step of each.
        sample: from a step, latents and whether to generate in training mode to features.
        reference: features of N real images.
        draws: latents (N, latent_dim) of each draw.
        legacy_draw: latents (128, latent_dim) for `legacy_scores`, if these are computed.
    """
    for snapshot in snapshots:
        epoch, step = snapshot["epoch"], snapshot["step"]
        scored = draws if snapshot == snapshots[-1] else draws[:1]
        mean, std = reference.score_draws(sample(step, z, False) for z in scored)
        legacy = {}
        if legacy_draw is not None:
            legacy = legacy_scores(sample(step, legacy_draw, True), reference.first)
        yield SnapshotScores(epoch, step, mean, std, legacy)


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


def legacy_scores(fakes: Features, reals: Features) -> Scores:
    """Score as the student report did: 128 against 128 images, ten splits of twelve."""
    if min(len(fakes), len(reals)) < LEGACY_BATCH:
        raise ValueError(f"the legacy protocol needs {LEGACY_BATCH} images on each side")
    first, second = fakes[:LEGACY_BATCH], reals[:LEGACY_BATCH]
    scores = {"fd": frechet_distance(first.features, second.features)}
    if fakes.logits.size:
        scores["cs"] = classifier_score(first.logits[:LEGACY_SCORED], LEGACY_SPLITS)[0]
    return scores


def legacy_best(encoder: str, snapshots: Sequence[SnapshotScores]) -> dict[str, float]:
    """Return the best legacy score over all snapshots, as the student report did, by its name."""
    return {
        f"legacy_128_{metric_name(score, encoder)}": round_sig(
            (min if score == "fd" else max)(each.legacy[score] for each in snapshots)
        )
        for score in snapshots[-1].legacy
    }
