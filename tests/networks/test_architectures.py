import pytest
import torch
from torch import nn

from pokegan.compute.distributed import BatchNorm
from pokegan.networks.architectures import (
    DenseDiscriminator,
    DenseEncoder,
    DenseGenerator,
    Discriminator,
    Encoder,
    Generator,
    LatentDiscriminator,
    channels,
    count_parameters,
)

NORMS = (BatchNorm, nn.GroupNorm)
RESOLUTIONS = (32, 64, 128, 256, 512)


def count(network: nn.Module, kind: type | tuple[type, ...]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


def test_channels_of_the_report() -> None:
    assert channels(64, 64) == [64, 128, 256, 512]
    assert channels(64, 32) == [64, 128, 256]
    assert channels(64, 512) == [64, 128, 256, 512, 512, 512, 512]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("upsampling", ["transposed", "nearest", "bilinear"])
@pytest.mark.parametrize("head", ["convolution", "dense"])
def test_shapes_at_every_resolution(resolution: int, upsampling: str, head: str) -> None:
    images = Generator(8, 2, resolution, upsampling, head)(torch.randn(2, 8))
    assert images.shape == (2, 3, resolution, resolution)
    assert images.abs().max() <= 1
    assert Discriminator(2, resolution, head)(images).shape == (2,)
    assert Encoder(8, 2, resolution)(images).shape == (2, 8)


def test_shapes_of_dense_networks() -> None:
    images = DenseGenerator(8, 2, 32)(torch.randn(2, 8))
    assert images.shape == (2, 3, 32, 32)
    assert images.abs().max() <= 1
    assert DenseDiscriminator(2, 32)(images).shape == (2,)
    assert DenseEncoder(8, 2, 32)(images).shape == (2, 8)
    assert LatentDiscriminator(8)(torch.randn(2, 8)).shape == (2,)


def test_parameter_counts_by_hand() -> None:
    kernel = 4 * 4
    convolutions = [(128, 512), (512, 256), (256, 128), (128, 64), (64, 3)]
    batch_norms = 2 * (512 + 256 + 128 + 64)
    expected = sum(a * b * kernel for a, b in convolutions) + batch_norms + 3
    assert count_parameters(Generator(128, 64, 64)) == expected == 3_806_083

    convolutions = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    expected = sum(a * b * kernel for a, b in convolutions) + 64 + 2 * (128 + 256 + 512) + 1
    assert count_parameters(Discriminator(64, 64)) == expected

    dense = [(16, 32), (32, 64), (64, 128), (128, 256), (256, 1)]
    assert count_parameters(LatentDiscriminator(16)) == sum(a * b + b for a, b in dense)


def test_transposed_convolutions_cause_a_checkerboard_and_upsampling_does_not() -> None:
    """Constant maps give an image that is flat inside, or one with a period."""
    for upsampling, flat in (("transposed", False), ("nearest", True), ("bilinear", True)):
        network = Generator(8, 4, 64, upsampling, normalization="none").eval()
        with torch.no_grad():
            head = network.layers[1]
            head.weight[:] = head.weight[..., :1, :1]  # a constant 4×4 map
            # In a single image, a layer of so few channels may be 0 after the ReLU.
            middle = network(torch.randn(64, 8))[..., 30:34, 30:34]
        assert (middle.std((2, 3)).max() < 1e-5) == flat


def test_dense_heads_replace_a_convolution() -> None:
    for head, linear in (("convolution", 0), ("dense", 1)):
        assert count(Generator(8, 2, 32, head=head), nn.Linear) == linear
        assert count(Discriminator(2, 32, head=head), nn.Linear) == linear


@pytest.mark.parametrize(
    ("kind", "module"), [("batch", BatchNorm), ("instance", nn.GroupNorm), ("layer", nn.GroupNorm)]
)
def test_every_hidden_layer_is_normalized_except_the_one_at_the_image(
    kind: str, module: type
) -> None:
    assert count(Generator(8, 2, 64, normalization=kind), module) == 4
    assert count(Discriminator(2, 64, normalization=kind), module) == 3
    assert count(Generator(8, 2, 64, normalization="none"), NORMS) == 0
    assert count(Discriminator(2, 64, normalization="none"), NORMS) == 0


@pytest.mark.parametrize(
    ("kind", "dims"), [("batch", (0, 2, 3)), ("instance", (2, 3)), ("layer", (1, 2, 3))]
)
def test_normalizations_have_mean_0_and_variance_1(kind: str, dims: tuple[int, ...]) -> None:
    """Per channel of the batch, per map of an image, per image."""
    batch = 3 + 5 * torch.randn(6, 4, 8, 8) * (0.5 + torch.rand(6, 4, 1, 1))
    network = Generator(8, 1, 32, normalization=kind)
    norm = next(each for each in network.modules() if isinstance(each, NORMS))
    output = norm(batch)
    assert output.mean(dims).abs().max() < 1e-4
    assert (output.var(dims, correction=0) - 1).abs().max() < 1e-2


def test_dropout_zeroes_whole_maps() -> None:
    networks = Generator(8, 16, 32, dropout=0.5), Discriminator(16, 32, dropout=0.5)
    for network in networks:
        dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout2d)]
        assert [module.p for module in dropouts] == [0.5] * 3
        zeroed = (dropouts[0](torch.ones(8, 64, 4, 4)) == 0).all(dim=(2, 3)).float().mean()
        assert 0.3 < zeroed < 0.7
    assert count(Generator(8, 16, 32), nn.Dropout2d) == 0
