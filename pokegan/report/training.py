"""Curves over the training."""

from collections.abc import Sequence

from pokegan.report.charts import Chart, curves
from pokegan.report.results import NetworkResults

TITLES = {
    "discriminator_loss": "discriminator loss",
    "generator_loss": "generator loss",
    "d_real": "D(x)",
    "d_fake": "D(G(z))",
    "diversity": "diversity of the samples",
}


def training_charts(networks: Sequence[NetworkResults], colors: dict[str, str]) -> list[Chart]:
    """Return the charts of all trainings."""
    return curves({network.name: network.history for network in networks}, TITLES, colors)
