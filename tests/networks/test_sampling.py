"""Latents by seed, with and without truncation."""

from __future__ import annotations

import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import sample_latents, seeded_latents


def test_seeded_latents_come_from_the_stream_samples() -> None:
    assert torch.equal(seeded_latents(6, 8, 3), sample_latents(6, 8, Streams(3)["samples"]))
    assert not torch.equal(seeded_latents(6, 8, 3), seeded_latents(6, 8, 4))


@pytest.mark.parametrize("latent_dim", [1, 2, 16, 100, 128])
def test_fewer_latents_are_the_first_of_more(latent_dim: int) -> None:
    many = seeded_latents(64, latent_dim, 7)
    assert many.unique().numel() > 0.99 * many.numel()
    for count in (1, 2, 5, 63):
        assert torch.equal(seeded_latents(count, latent_dim, 7), many[:count])


@pytest.mark.parametrize("truncation", [0.01, 0.3, 1.0, 2.5])
def test_truncated_latents_follow_the_truncated_normal_distribution(truncation: float) -> None:
    from scipy.stats import truncnorm

    z = seeded_latents(2000, 8, 1, truncation)
    untruncated = seeded_latents(2000, 8, 1)
    within = untruncated.abs() <= truncation
    assert torch.equal(z[within], untruncated[within])
    assert z.abs().max() <= truncation
    redrawn = z[~within].abs()
    assert redrawn.unique().numel() > 0.9 * redrawn.numel()
    std = truncnorm(-truncation, truncation).std()
    assert abs(z.std() - std) < 0.03 * std
    assert torch.equal(z, seeded_latents(2000, 8, 1, truncation))


def test_a_truncation_beyond_all_components_changes_nothing() -> None:
    assert torch.equal(seeded_latents(2, 8, 1, 50.0), seeded_latents(2, 8, 1))
