from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import from_uint8, sample_latents
from pokegan.training.diffaugment import Augmentation
from tests.conftest import COLOR, NETWORKS, STRENGTHS, augmentation
from tests.models import IMAGES, NAMES, make_gan


def trained(network: nn.Module) -> list[nn.Parameter]:
    return [each for each in network.parameters() if each.requires_grad]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", ["generator", "discriminator"])
def test_an_optimizer_updates_its_own_networks_only(name: str, optimizer: str) -> None:
    """With a learning rate of zero for the other optimizer.

    At the start, the hinge losses of real and fake logits have opposite gradients.
    """
    rates = {f"lr_{each}": 0.0 for each in ("generator", "discriminator")}
    gan = make_gan(name, prepare=True, loss="logistic", **rates | {f"lr_{optimizer}": 0.01})
    before = {part: [p.clone() for p in trained(net)] for part, net in gan.networks.items()}
    gan.step(torch.randn(12, 3, 32, 32), gan.sample_inputs(12, Streams(0)))
    for part, network in gan.networks.items():
        unchanged = map(torch.equal, before[part], trained(network))
        assert not any(unchanged) if part in gan.optimized[optimizer] else all(unchanged)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient_once_per_step(name: str) -> None:
    gan = make_gan(name, prepare=True)
    parameters = [each for network in gan.networks.values() for each in trained(network)]
    counts = dict.fromkeys(map(id, parameters), 0)
    for each in parameters:
        each.register_post_accumulate_grad_hook(
            lambda parameter: counts.update({id(parameter): counts[id(parameter)] + 1})
        )
    gan.step(torch.rand(12, 3, 32, 32), gan.sample_inputs(12, Streams(0)))
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_each_optimizer_has_its_learning_rate(name: str) -> None:
    gan = make_gan(name, prepare=True, lr_generator=0.3, lr_discriminator=0.4)
    rates = {key: each.param_groups[0]["lr"] for key, each in gan.optimizers.items()}
    assert rates == {"generator": 0.3, "discriminator": 0.4}


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_a_perceptron_has_dense_layers_only(name: str) -> None:
    gan = make_gan(name, architecture="mlp", prepare=True)
    for network in gan.networks.values():
        modules = list(network.modules())
        assert not any(isinstance(each, nn.Conv2d | nn.ConvTranspose2d) for each in modules)
        assert sum(isinstance(each, nn.Linear) for each in modules) > 3
    measures = gan.step(torch.rand(12, 3, 32, 32), gan.sample_inputs(12, Streams(1)))
    assert all(torch.isfinite(value) for value in measures.values())


class Constant(nn.Module):
    """A network that returns a value of its own for every input."""

    def __init__(self, value: float, *shape: int) -> None:
        super().__init__()
        self.value, self.shape = nn.Parameter(torch.tensor(value)), shape

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), *self.shape)


def test_losses_of_dcgan_by_hand() -> None:
    """σ(ln 3) = 3/4; labels 1 and 0."""
    labels = {"real_label": 1.0, "fake_label": 0.0, "label_noise": 0.0, "swapped_labels": 0.0}
    gan = make_gan("dcgan819", **labels)
    gan.networks = {"generator": Constant(0.5, 3, 32, 32), "discriminator": Constant(log(3))}
    gan.prepare(torch.device("cpu"), IMAGES)
    gan.optimizers["discriminator"].param_groups[0]["lr"] = 0.0
    measures = gan.step(torch.zeros(12, 3, 32, 32), gan.sample_inputs(12, Streams(1)))
    assert measures["discriminator_loss"].item() == pytest.approx(-log(3 / 4) - log(1 / 4))
    assert measures["generator_loss"].item() == pytest.approx(-log(3 / 4))
    assert measures["d_real"].item() == measures["d_fake"].item() == pytest.approx(3 / 4)
    assert measures["discriminator_gradient"].item() == pytest.approx(abs(3 / 4 - 1 + 3 / 4))


def test_losses_of_aegan_by_hand() -> None:
    """(2·real + fakes + recon) / 4, and the weighted sum of four losses."""
    gan = make_gan(
        "aegan",
        picture_adversarial=0.005,
        latent_adversarial=0.1,
        picture_reconstruction=1.0,
        latent_reconstruction=0.5,
    )
    gan.networks = {
        "generator": Constant(0.5, 3, 32, 32),
        "encoder": Constant(0.0, 8),
        "discriminator": Constant(0.0),
        "latent_discriminator": Constant(log(3)),
    }
    gan.prepare(torch.device("cpu"), IMAGES)
    gan.optimizers["discriminator"].param_groups[0]["lr"] = 0.0
    measures = gan.step(torch.zeros(12, 3, 32, 32), gan.sample_inputs(12, Streams(1)))
    z_error = sample_latents(12, 8, Streams(1)["latents"]).square().mean().item()
    expected = {
        "discriminator_loss": log(2),
        "latent_discriminator_loss": -(2 * log(3 / 4) + 2 * log(1 / 4)) / 4,
        "picture_error": 0.5,
        "latent_error": z_error,
        "generator_loss": 0.005 * 2 * log(2) - 0.1 * 2 * log(3 / 4) + 0.5 + 0.5 * z_error,
    }
    for measure, value in expected.items():
        assert measures[measure].item() == pytest.approx(value, rel=1e-5), measure


@pytest.mark.parametrize("kinds", [[], STRENGTHS])
@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_all_images_for_the_discriminator_are_augmented_and_no_others(
    drawings: np.ndarray, name: str, kinds: list[str]
) -> None:
    """Real and generated images, in both updates, each with random numbers of its own."""
    gan = make_gan(name, augmentation=augmentation(*kinds), prepare=True)
    received: dict[str, list[Tensor]] = {part: [] for part in gan.networks}
    for part, network in gan.networks.items():
        network.register_forward_pre_hook(
            lambda _, inputs, part=part: received[part].append(inputs[0].detach())
        )
    generated: list[Tensor] = []
    gan.generator.register_forward_hook(lambda *call: generated.append(call[2].detach()))
    real, inputs = from_uint8(torch.from_numpy(drawings[:12])), gan.sample_inputs(12, Streams(3))
    gan.step(real, inputs)
    noise = [value for key, value in inputs.items() if key.endswith("_augmentation")]
    images = [real, *generated, *generated]
    if kinds:
        pairs = zip(images, noise, strict=True)
        expected = [Augmentation(augmentation(*kinds)).apply(*pair) for pair in pairs]
        assert not any(map(torch.equal, expected, images))
    else:
        expected = images
        assert not noise
    assert len(received["discriminator"]) == len(expected)
    assert all(map(torch.equal, received["discriminator"], expected))
    assert all(map(torch.equal, received.get("encoder", []), [real, generated[0]]))


@pytest.mark.parametrize("name", NAMES)
def test_the_random_inputs_of_one_augmentation_do_not_depend_on_others(name: str) -> None:
    streams = [Streams(5) for _ in range(3)]
    gans = [make_gan(name, augmentation=augmentation(*kinds)) for kinds in ([], COLOR, STRENGTHS)]
    for _ in range(2):
        off, color, every = (gan.sample_inputs(12, s) for gan, s in zip(gans, streams, strict=True))
    assert color.keys() == every.keys() > off.keys()
    assert all(torch.equal(color[key], each) for key, each in (every | off).items())
    assert "augmentation" not in streams[0].state_dict()
    noise = [color[key] for key in color.keys() - off.keys()]
    assert len({tuple(each.flatten().tolist()) for each in noise}) == len(noise) > 1


def test_every_module_of_a_family_is_tested() -> None:
    modules = (Path(__file__).parents[2] / "pokegan/gans").glob("[!_]*.py")
    assert {each.stem for each in modules} == {type(make_gan(n)).__name__.lower() for n in NAMES}


@pytest.mark.parametrize("loss", ["hinge", "logistic", "relativistic"])
@pytest.mark.parametrize("name", NAMES)
def test_other_losses_and_the_penalty_train_every_network(name: str, loss: str) -> None:
    kind = "hinge" if (name, loss) == ("aegan", "relativistic") else loss
    gan = make_gan(name, 0.002, prepare=True, loss=kind, lecam=0.1, r1=1.0, r1_interval=2)
    real, inputs = torch.randn(12, 3, 32, 32), gan.sample_inputs(12, Streams(0))
    before = {part: [p.clone() for p in trained(net)] for part, net in gan.networks.items()}
    measures = gan.step(real, inputs)
    assert all(value.isfinite() for value in measures.values())
    for part, network in gan.networks.items():
        assert not any(map(torch.equal, before[part], trained(network)))
    discriminator = trained(gan.networks["discriminator"])
    heads = [each.clone() for each in discriminator]
    gan.regularize(real, inputs)
    assert not all(map(torch.equal, heads, discriminator))
    assert [gan.regularizes(step) for step in (1, 2, 3, 4)] == [False, True, False, True]


def test_frozen_features_and_projections_stay_the_same() -> None:
    """Bit for bit, in training mode, with batch norm and spectral norm in the trained heads."""
    name = next(each for each in NAMES if NETWORKS[each].gan == "projected")
    gan = make_gan(name, 0.01, prepare=True)
    network = gan.networks["discriminator"]
    frozen = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("heads")}
    for _ in range(2):
        gan.step(torch.randn(12, 3, 32, 32), gan.sample_inputs(12, Streams(0)))
    assert len(frozen) > 20
    assert all(torch.equal(network.state_dict()[key], value) for key, value in frozen.items())
