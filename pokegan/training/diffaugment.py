"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020, arXiv:2006.10738).

True and generated pictures alike are moved, cut and recoloured at random before D judges them, in
its own step and in the generator's, whose gradient passes through. So D hardly sees the same true
picture twice, and G still learns the pictures as they are: one that it drew cut already would be
cut a second time, which no true one is (Karras et al. 2020, arXiv:2006.06676, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import from_uint8, to_uint8

WHITE = 1.0
CUT = 0.2  # share of a picture's side; the article's half would cover most of a creature
DRAWS = 7  # numbers a picture: three of colours, two of a place to move to, two of a place to cut
COLUMNS, ROWS = 8, 3  # pictures that are shown to people, and how often each


@dataclass(frozen=True)
class Augmentation:
    """Changes of each picture for itself, those of KINDS: "translation", "cutout", "color".

    Ranges are the article's, but for the share that is cut. What comes in at a border and what is
    cut is white, as the ground of our pictures, where the article has grey; so colours change last,
    whatever the order of KINDS, lest this white differ from the ground.
    """

    kinds: Sequence[str]

    def sample(self, names: Sequence[str], count: int, streams: Streams) -> dict[str, Tensor]:
        """Numbers (COUNT, 7) from [0, 1), on the CPU, for each of NAMES, batches of pictures.

        As many whatever the kinds, so that one more leaves the others' draws alone. Without any
        kind, none.
        """
        if not self.kinds:
            return {}
        stream = streams["augmentation"]
        return {_key(name): torch.rand(count, DRAWS, generator=stream) for name in names}

    def __call__(self, pictures: Tensor, drawn: dict[str, Tensor], name: str) -> Tensor:
        """PICTURES (N, 3, R, R) in [-1, 1] as D sees them by what was DRAWN for NAME.

        Their values may leave that range. Without any kind they are PICTURES themselves.
        """
        return self.apply(pictures, drawn[_key(name)]) if self.kinds else pictures

    def apply(self, pictures: Tensor, draws: Tensor) -> Tensor:
        """PICTURES (N, 3, R, R) in [-1, 1], changed by DRAWS (N, 7) from [0, 1)."""
        size = pictures.shape[-1]
        colours, move, cut = draws.split([3, 2, 2], dim=1)
        if "translation" in self.kinds:
            reach = size // 8
            pictures = translate(pictures, _whole(move, 2 * reach + 1) - reach)
        if "cutout" in self.kinds:
            pictures = cut_out(pictures, _whole(cut, size + 1))
        if "color" in self.kinds:
            brightness, saturation, contrast = colours.unbind(1)
            pictures = recolour(pictures, brightness - 0.5, 2 * saturation, contrast + 0.5)
        return pictures

    def examples(self, pictures: Tensor, streams: Streams) -> dict[str, Tensor]:
        """Some of PICTURES (N, R, R, 3) uint8, "true" (8, …), and as D sees them, "seen" (3, 8, …).

        Evenly spaced; values out of range are cut off. Without any kind, nothing.
        """
        if not self.kinds:
            return {}
        rows = torch.linspace(0, len(pictures) - 1, min(COLUMNS, len(pictures))).round().long()
        true = pictures[rows]
        draws = torch.rand(ROWS * len(true), DRAWS, generator=streams["examples of augmentation"])
        seen = self.apply(from_uint8(true).repeat(ROWS, 1, 1, 1), draws)
        return {"true": true, "seen": to_uint8(seen).unflatten(0, (ROWS, len(true)))}


def translate(pictures: Tensor, shifts: Tensor) -> Tensor:
    """PICTURES (N, 3, R, R), each moved by its SHIFTS (N, 2) in pixels: down and to the right.

    At most an eighth of the side; what comes in is white.
    """
    count, _, size, _ = pictures.shape
    reach = size // 8
    padded = functional.pad(pictures, [reach] * 4, value=WHITE).permute(0, 2, 3, 1)
    places = torch.arange(reach, reach + size, device=pictures.device)
    rows, columns = (places - shift[:, None] for shift in shifts.unbind(1))
    each = torch.arange(count, device=pictures.device)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(pictures: Tensor, centres: Tensor) -> Tensor:
    """PICTURES (N, 3, R, R), each with a white square around its own of CENTRES (N, 2).

    A centre lies before the row and the column of its numbers, 0 to R: at a border half of the
    square lies outside, in a corner three quarters (DeVries and Taylor 2017).
    """
    size = pictures.shape[-1]
    middles = torch.arange(size, device=pictures.device) + 0.5
    rows, columns = ((middles - c[:, None]).abs() < CUT * size / 2 for c in centres.unbind(1))
    square = rows[:, None, :, None] & columns[:, None, None, :]
    return pictures.masked_fill(square, WHITE)


def recolour(pictures: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """PICTURES (N, 3, R, R) with other colours, each by its own number of each (N,), in this order.

    BRIGHTNESS is added; the distance from a pixel's grey is multiplied by SATURATION, the distance
    from the picture's mean by CONTRAST.
    """
    brightness, saturation, contrast = (
        each[:, None, None, None] for each in (brightness, saturation, contrast)
    )
    # Draws are fp32 and make the sum so: rounding to bf16 would tell what autocast drew.
    pictures = pictures + brightness
    pictures = pictures.mean(1, keepdim=True).lerp(pictures, saturation)
    return pictures.mean((1, 2, 3), keepdim=True).lerp(pictures, contrast)


def _key(name: str) -> str:
    return f"{name}_augmentation"


def _whole(draws: Tensor, count: int) -> Tensor:
    """DRAWS from [0, 1) as whole numbers below COUNT, all alike probable."""
    # A product may be rounded up to COUNT itself.
    return (draws * count).long().clamp(max=count - 1)
