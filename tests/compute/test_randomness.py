import torch

from pokegan.compute.device import choose_precision
from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import sample_latents


def test_an_explicit_precision_is_kept_and_auto_is_resolved() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("fp32", cpu) == "fp32"
    assert choose_precision("bf16", cpu) == "bf16"
    assert choose_precision("auto", cpu) in {"fp32", "bf16"}


def test_streams_are_independent_of_the_order_of_use() -> None:
    one, two = Streams(5), Streams(5)
    two["labels"], two["order"]
    torch.rand(9, generator=two["labels"])
    expected = sample_latents(4, 2, one["latents"])
    assert torch.equal(sample_latents(4, 2, two["latents"]), expected)
    assert not torch.equal(sample_latents(4, 2, Streams(6)["latents"]), expected)


def test_streams_resume_from_their_state() -> None:
    one, two = Streams(5), Streams(5)
    torch.rand(3, generator=one["order"])
    two.load_state_dict(one.state_dict())
    assert torch.equal(torch.rand(3, generator=one["order"]), torch.rand(3, generator=two["order"]))


def test_a_stream_as_the_global_generator_leaves_it_unchanged() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with Streams(5).as_global_rng("weights"):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(torch.rand(2, generator=Streams(5)["weights"]), inside)
