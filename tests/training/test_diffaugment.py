"""What the discriminator sees: closed forms, gradients, and who gets which draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.networks.sampling import from_uint8, to_uint8
from pokegan.training.diffaugment import Augmentation, adjust_color, cutout, translate
from pokegan.training.loop import Schedule, Training
from stages.train import build_gan

ALL = ["color", "translation", "cutout"]
MANY = 4096


def noise(count: int, size: int, seed: int = 0) -> Tensor:
    """Pictures (COUNT, 3, SIZE, SIZE) in [-1, 1), none of them white anywhere."""
    drawn = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return drawn * 1.9 - 1


def units(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [32, 64])
def test_a_translation_is_a_roll_with_a_white_border(size: int) -> None:
    reach = size // 8
    shifts = torch.cartesian_prod(*[torch.tensor([-reach, -1, 0, 2, reach])] * 2)
    pictures = noise(len(shifts), size)
    moved = translate(pictures, shifts)
    for picture, (down, across), found in zip(pictures, shifts.tolist(), moved, strict=True):
        expected = picture.roll((down, across), (1, 2))
        expected[:, : max(down, 0)] = expected[:, size + min(down, 0) :] = 1
        expected[:, :, : max(across, 0)] = expected[:, :, size + min(across, 0) :] = 1
        assert torch.equal(found, expected)


def test_translations_are_alike_probable_in_every_direction() -> None:
    """A dot in the middle comes to each of 9×9 places about as often, and to no other."""
    dotted = torch.ones(MANY, 3, 32, 32)
    dotted[:, :, 16, 16] = -1
    moved = Augmentation(["translation"]).apply(dotted, units(MANY))
    assert ((moved == -1).sum(dim=(1, 2, 3)) == 3).all()
    often = (moved[:, 0] == -1).sum(0)
    assert (often > 0).nonzero().aminmax(dim=0).min.tolist() == [12, 12]
    assert (often > 0).nonzero().aminmax(dim=0).max.tolist() == [20, 20]
    expected = MANY / 81
    assert (often[12:21, 12:21] - expected).abs().max() < 5 * expected**0.5


def test_what_is_cut_is_a_square_that_borders_cut_off() -> None:
    """Of each centre, those on the borders and corners too: place, area and white."""
    size, half = 32, 3
    centres = torch.cartesian_prod(torch.arange(size + 1), torch.arange(size + 1))
    pictures = noise(1, size).expand(len(centres), -1, -1, -1)
    cut = cutout(pictures, centres)
    white = (cut == 1).all(dim=1)
    first, last = (centres - half).clamp(min=0), (centres + half).clamp(max=size)
    assert torch.equal(white.sum(dim=(1, 2)), (last - first).prod(dim=1))
    for number in (0, 5, size // 2 * (size + 2), len(centres) - 1):
        (top, left), (bottom, right) = first[number].tolist(), last[number].tolist()
        assert white[number, top:bottom, left:right].all()
    assert torch.equal(torch.where(white[:, None], pictures, cut), pictures)
    assert white.sum(dim=(1, 2)).aminmax() == (half**2, (2 * half) ** 2)


def test_every_place_is_cut_as_often_as_centres_reach_it() -> None:
    size, half = 32, 3
    cut = Augmentation(["cutout"]).apply(noise(1, size).expand(MANY, -1, -1, -1), units(MANY))
    often = (cut == 1).all(dim=1).float().mean(0)
    places = torch.arange(size)
    reaching = (places + half).clamp(max=size) - (places - half).clamp(min=-1)
    share = reaching / (size + 1)
    assert (often - share[:, None] * share).abs().max() < 5 * (0.25 / MANY) ** 0.5


def test_brightness_moves_all_values_alike() -> None:
    pictures, same = noise(3, 8), torch.ones(3)
    by = torch.tensor([-0.5, 0.0, 0.25])
    found = adjust_color(pictures, by, same, same)
    assert torch.allclose(found, pictures + by[:, None, None, None], atol=1e-6)
    assert torch.equal(found[1], pictures[1])
    assert found.min() < -1.3


def test_saturation_moves_pixels_from_their_grey() -> None:
    pictures, none = noise(3, 8), torch.zeros(3)
    pictures[:, :, 0, 0] = 1  # white stays white
    found = adjust_color(pictures, none, torch.tensor([0.0, 1.0, 2.0]), torch.ones(3))
    grey = pictures.mean(1, keepdim=True)
    assert torch.allclose(found[0], grey[0].expand(3, -1, -1), atol=1e-6)
    assert torch.equal(found[1], pictures[1])
    assert torch.allclose(found[2], 2 * pictures[2] - grey[2], atol=1e-6)
    assert torch.allclose(found.mean(1, keepdim=True), grey, atol=1e-6)
    assert torch.allclose(found[:, :, 0, 0], torch.ones(3, 3), atol=1e-6)


def test_contrast_keeps_the_mean_and_scales_the_rest() -> None:
    pictures, none = noise(3, 8), torch.zeros(3)
    by = torch.tensor([0.5, 1.0, 1.5])
    found = adjust_color(pictures, none, torch.ones(3), by)
    assert torch.allclose(found.mean((1, 2, 3)), pictures.mean((1, 2, 3)), atol=1e-6)
    assert torch.allclose(found.std((1, 2, 3)), pictures.std((1, 2, 3)) * by, atol=1e-5)
    assert torch.equal(found[1], pictures[1])


def test_colours_are_as_they_were_on_average() -> None:
    """E[brightness] = 0, E[saturation] = E[contrast] = 1, each drawn for itself."""
    pictures = noise(1, 8)
    found = Augmentation(["color"]).apply(pictures.expand(MANY, -1, -1, -1), units(MANY))
    error = (found.mean(0) - pictures[0]).abs() / (found.std(0) / MANY**0.5)
    assert error.max() < 5
    means = found.mean((1, 2, 3)) - pictures.mean()
    assert means.aminmax().min == pytest.approx(-0.5, abs=0.01)
    assert means.aminmax().max == pytest.approx(0.5, abs=0.01)
    assert means.std() == pytest.approx(12**-0.5, rel=0.05)


def test_what_comes_in_has_the_colour_of_the_ground() -> None:
    """Of a white picture nothing can be told but its brightness, which is one everywhere."""
    seen = Augmentation(ALL).apply(torch.ones(64, 3, 32, 32), units(64))
    lowest, highest = seen.amin((1, 2, 3)), seen.amax((1, 2, 3))
    assert torch.allclose(lowest, highest, atol=1e-6)
    assert lowest.std() > 0.1


@pytest.mark.parametrize("kinds", [*([kind] for kind in ALL), ALL])
def test_gradients_pass_through(kinds: list[str]) -> None:
    pictures, draws = noise(2, 8).double().requires_grad_(), units(2).double()
    assert torch.autograd.gradcheck(Augmentation(kinds).apply, (pictures, draws.detach()))


def test_what_autocast_drew_is_changed_as_finely_as_true_pictures() -> None:
    coarse, draws = noise(4, 32).bfloat16(), units(4)
    seen = Augmentation(ALL).apply(coarse, draws)
    assert seen.dtype == torch.float32
    assert torch.equal(seen, Augmentation(ALL).apply(coarse.float(), draws))


def test_the_largest_draw_stays_within_reach() -> None:
    """Multiplied in fp32 it is rounded up to the number of places."""
    last = torch.full((1, 7), 1 - 2**-24)
    for size in (32, 64, 128, 256, 512):
        dotted = torch.ones(1, 3, size, size)
        dotted[:, :, size // 2, size // 2] = -1
        moved = Augmentation(["translation"]).apply(dotted, last)
        assert (moved[0, 0] == -1).nonzero().tolist() == [[size // 2 + size // 8] * 2]
        cut = Augmentation(["cutout"]).apply(-torch.ones(1, 3, size, size), last)
        assert (cut[0, 0] == 1).sum() == round(size / 10) ** 2


def test_kinds_leave_each_others_draws_and_all_other_streams_alone(workspace: Path) -> None:
    for name in ("dcgan819", "aegan"):
        off, color, every = (_gan(name, kinds) for kinds in ([], ["color"], ALL))
        streams = [Streams(5) for _ in range(3)]
        for _ in range(2):
            drawn = [
                gan.sample_inputs(12, each)
                for gan, each in zip((off, color, every), streams, strict=True)
            ]
        assert drawn[1].keys() == drawn[2].keys() > drawn[0].keys()
        assert all(torch.equal(drawn[1][key], each) for key, each in drawn[2].items())
        assert all(torch.equal(drawn[1][key], each) for key, each in drawn[0].items())
        assert "augmentation" not in streams[0].state_dict()
        own = [each for key, each in drawn[1].items() if key not in drawn[0]]
        assert len({tuple(each.flatten().tolist()) for each in own}) == len(own) > 2


def test_without_any_kind_nothing_is_done() -> None:
    pictures = noise(2, 8)
    assert Augmentation([])(pictures, {}, "real") is pictures


def _gan(name: str, kinds: list[str]) -> Any:
    section = getattr(read_params(name), name).model_copy(update={"augmentation": kinds})
    return build_gan(name, section, 0.0002, 32, Streams(0))


@pytest.mark.parametrize("kinds", [[], ALL])
@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("dcgan819", ["real", "fakes", "fakes_for_generator"]),
        ("aegan", ["real", "fakes", "recon", "fakes_for_generator", "recon_for_generator"]),
    ],
)
def test_a_discriminator_sees_everything_augmented_and_no_other_network_does(
    workspace: Path, drawings: np.ndarray, name: str, judged: list[str], kinds: list[str]
) -> None:
    """True and generated pictures, in D's step and in G's, each by draws of its own."""
    gan = _gan(name, kinds)
    gan.prepare(torch.device("cpu"))
    seen: dict[str, list[Tensor]] = {"discriminator": [], "encoder": []}
    drew: list[Tensor] = []
    for part in seen.keys() & gan.networks.keys():
        gan.networks[part].register_forward_pre_hook(
            lambda _, given, part=part: seen[part].append(given[0].detach())
        )
    gan.generator.register_forward_hook(lambda *told: drew.append(told[2].detach()))
    real = from_uint8(torch.from_numpy(drawings[:12]))
    drawn = gan.sample_inputs(12, Streams(3))
    gan.step(real, drawn)
    pictures = [real, *drew, *drew]
    assert len(seen["discriminator"]) == len(judged) == len(pictures)
    for kind, picture, found in zip(judged, pictures, seen["discriminator"], strict=True):
        if kinds:
            expected = Augmentation(kinds).apply(picture, drawn[f"{kind}_augmentation"])
            assert torch.equal(found, expected)
            assert not torch.allclose(found, picture, atol=0.1)
        else:
            assert torch.equal(found, picture)
    if name == "aegan":
        assert torch.equal(seen["encoder"][0], real)
        assert torch.equal(seen["encoder"][1], drew[0])


def test_the_generator_learns_the_ground_through_it(workspace: Path, drawings: np.ndarray) -> None:
    """After 200 steps corners are lighter than at first, though D saw them in every brightness."""
    section = read_params("dcgan819").dcgan819.model_copy(update={"augmentation": ALL, "width": 16})
    streams = Streams(0)
    gan = build_gan("dcgan819", section, 0.002, 32, streams)
    schedule = Schedule(len(drawings), 12, 50, 4)
    pictures, cpu = torch.from_numpy(drawings), torch.device("cpu")
    training = Training(gan, pictures, schedule, streams, cpu, "fp32")
    kept = [m.samples for m in training.run() if m.samples is not None]
    assert kept[-1][:, :3, :3].float().mean() > 200


def test_examples_are_true_pictures_and_some_of_what_d_sees(drawings: np.ndarray) -> None:
    pictures, streams = torch.from_numpy(drawings), Streams(1)
    shown = Augmentation(["translation"]).examples(pictures, streams)
    assert torch.equal(shown["true"][[0, -1]], pictures[[0, -1]])
    assert shown["seen"].shape == (3, 8, 32, 32, 3)
    assert shown["seen"].dtype == torch.uint8
    for row in shown["seen"]:
        for true, seen in zip(shown["true"], row, strict=True):
            down, across = np.mgrid[-4:5, -4:5].reshape(2, -1)
            candidates = translate(
                from_uint8(true[None]).repeat(81, 1, 1, 1),
                torch.from_numpy(np.stack([down, across], axis=1)),
            )
            assert (to_uint8(candidates) == seen).all(dim=(1, 2, 3)).any()
    assert len({tuple(row.flatten().tolist()) for row in shown["seen"]}) == 3
    assert list(streams.state_dict()) == ["examples of augmentation"]
    assert len(Augmentation(ALL).examples(pictures[:3], streams)["true"]) == 3
    assert Augmentation([]).examples(pictures, streams) == {}
