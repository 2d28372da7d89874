"""Ways through a latent space, what lies around a latent, and AEGAN's way back into it.

Latents are float32 tensors (N, latent_dim) on the CPU, pictures uint8 arrays (N, R, R, 3).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import geometric_slerp
from torch import Tensor, nn

from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import from_uint8, generate_images


def spherical_path(first: Tensor, second: Tensor, shares: np.ndarray) -> Tensor:
    """Latents on the way from FIRST (0) to SECOND (1) at SHARES (T,): (T, latent_dim).

    Their directions follow the great circle (White 2016, section 2.1), their lengths go evenly
    from one to the other: where latents are drawn, few lie near the origin, through which a
    straight line may lead. Opposite latents have many such ways; one is taken, always the same.

    Raises:
        PipelineError: a latent has no direction, or less than two numbers.
    """
    ends = torch.stack([first, second]).double().numpy()
    lengths = (ends**2).sum(axis=1) ** 0.5
    if ends.shape[1] < 2 or not lengths.all():
        raise PipelineError(
            "Between these latents no spherical path leads: they need two numbers or more, "
            "not all of them zero."
        )
    with warnings.catch_warnings(action="ignore"):  # of opposite latents
        directions = geometric_slerp(ends[0] / lengths[0], ends[1] / lengths[1], shares)
    path = (lengths[0] + shares * (lengths[1] - lengths[0]))[:, None] * directions
    return torch.from_numpy(path).float()


def closed_path(z: Tensor, steps: int, with_ends: bool) -> Tensor:
    """From each latent of Z (N, D) to the next, from the last to the first: (N, STEPS, D).

    WITH_ENDS each part ends where the next begins; without, no latent comes twice.
    """
    shares = np.linspace(0, 1, steps, endpoint=with_ends)
    return torch.stack(
        [
            spherical_path(first, second, shares)
            for first, second in zip(z, z.roll(-1, 0), strict=True)
        ]
    )


def turned(z: Tensor, towards: Tensor, degrees: np.ndarray) -> Tensor:
    """Each latent of Z (N, D), turned by DEGREES (T,) towards its own of TOWARDS: (N, T, D).

    Its length stays, so that it is as likely as before. TOWARDS (N, D) says in which plane it
    turns; by 90° it stands at a right angle, about as two latents do that are drawn for themselves.
    """
    z, towards = z.double(), towards.double()
    length = z.norm(dim=1, keepdim=True)
    across = towards - (towards * z).sum(dim=1, keepdim=True) / length**2 * z
    across = across / across.norm(dim=1, keepdim=True) * length
    angles = torch.from_numpy(np.radians(degrees))[:, None]
    found: Tensor = torch.cos(angles) * z[:, None] + torch.sin(angles) * across[:, None]
    return found.float()


def encode_pictures(encoder: nn.Module, pictures: np.ndarray, batch_size: int = 64) -> Tensor:
    """What AEGAN's ENCODER makes of PICTURES (N, R, R, 3) uint8: latents (N, latent_dim)."""
    device = next(encoder.parameters()).device
    with torch.no_grad():
        batches = torch.from_numpy(pictures).split(batch_size)
        return torch.cat([encoder(from_uint8(batch.to(device))).cpu() for batch in batches])


class Reconstruction(NamedTuple):
    """What became of pictures: latents (N, latent_dim), pictures (N, R, R, 3), errors (N,)."""

    z: Tensor
    originals: np.ndarray
    again: np.ndarray
    picture_errors: np.ndarray  # mean absolute difference of a value, where white is 1, black 0
    latent_errors: Tensor  # distance between the latents of both


def reconstructions(
    generator: nn.Module, encoder: nn.Module, originals: np.ndarray
) -> Reconstruction:
    """ORIGINALS (N, R, R, 3) uint8 by way of their latents."""
    z = encode_pictures(encoder, originals)
    again = generate_images(generator, z).numpy()
    latent_errors = (encode_pictures(encoder, again) - z).norm(dim=1)
    return Reconstruction(z, originals, again, differences(again, originals), latent_errors)


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The mean absolute difference of a value between pictures (N, R, R, 3), 0 to 1 each: (N,).

    One by one: all at once would take eight times the memory of the pictures.
    """
    pairs = zip(first, second, strict=True)
    return np.array([np.abs(one.astype(int) - other).mean() / 255 for one, other in pairs])
