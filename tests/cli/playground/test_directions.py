import pytest
import torch
from torch import nn

from pokegan.cli.playground.directions import move, principal_directions
from pokegan.networks.architectures import DenseGenerator, Generator

GENERATORS = {
    "convolution": lambda: Generator(8, 4, 32),
    "dense head": lambda: Generator(8, 4, 32, head="dense"),
    "no norm": lambda: Generator(8, 4, 32, normalization="none"),
    "layer norm": lambda: Generator(8, 4, 32, normalization="layer", upsampling="nearest"),
    "perceptron": lambda: DenseGenerator(8, 4, 32),
}


def generator(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return GENERATORS[kind]().eval()


@pytest.mark.parametrize("kind", GENERATORS)
def test_directions_are_orthonormal_and_ordered(kind: str) -> None:
    directions, shares = principal_directions(generator(kind), 8)
    torch.testing.assert_close(directions @ directions.T, torch.eye(8))
    assert (shares[:-1] >= shares[1:]).all()
    assert shares.sum() == pytest.approx(1)
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_directions_are_the_eigenvectors_of_the_weights() -> None:
    """SeFa's closed form: the eigenvectors of the first layer's AᵀA."""
    network = generator("convolution")
    weights = network.layers[1].weight.detach().flatten(1)
    values, vectors = torch.linalg.eigh(weights @ weights.T)
    directions, shares = principal_directions(network, 8)
    torch.testing.assert_close(
        (directions @ vectors.flip(1)).abs(), torch.eye(8), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(shares, values.flip(0) / values.sum())


def test_a_latent_moves_along_the_first_directions() -> None:
    z = torch.ones(2, 8)
    assert torch.equal(
        move(z, torch.eye(8), [0, 2, -1]), z + torch.tensor([0, 2, -1, 0, 0, 0, 0, 0])
    )
    assert torch.equal(move(z, torch.eye(8), [0] * 8), z)
