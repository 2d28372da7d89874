import torch

from pokegan.networks.architectures import Generator
from pokegan.networks.sampling import from_uint8, generate_images, seeded_latents, to_uint8


def test_uint8_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8).repeat(3, 1).T.contiguous().reshape(1, 16, 16, 3)
    floats = from_uint8(values)
    assert (floats.min(), floats.max()) == (-1, 1)
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(to_uint8(floats), values)


def test_images_do_not_depend_on_the_batch_size_and_the_generator_is_unchanged() -> None:
    torch.manual_seed(0)
    network = Generator(8, 4, 32).train()
    for _ in range(3):
        network(torch.randn(16, 8))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    z = torch.randn(7, 8)
    together, single = generate_images(network, z), generate_images(network, z, batch_size=1)
    assert together.dtype == torch.uint8
    assert together.shape == (7, 32, 32, 3)
    assert (together.int() - single.int()).abs().max() <= 1
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_more_latents_of_a_seed_begin_with_the_same() -> None:
    assert torch.equal(seeded_latents(3, 5, 1), seeded_latents(40, 5, 1)[:3])
    assert not torch.equal(seeded_latents(3, 5, 1), seeded_latents(3, 5, 2))


def test_truncation_resamples_outliers_only() -> None:
    z, truncated = seeded_latents(500, 8, 1), seeded_latents(500, 8, 1, truncation=0.7)
    inside = z.abs() <= 0.7
    assert torch.equal(truncated[inside], z[inside])
    assert truncated.abs().max() <= 0.7
    assert truncated[~inside].std() > 0.3
