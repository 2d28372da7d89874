"""The page: a section per template, in the order below."""

from collections.abc import Sequence
from pathlib import Path

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined

from pokegan.report import images
from pokegan.report.ablations import by_question, protocol, read_ablation
from pokegan.report.charts import DASHES, curves, palette
from pokegan.report.inspections import comparisons, inspections
from pokegan.report.results import NetworkResults
from pokegan.report.scores import TRAINING_TITLES, encoder_scores, trainings
from pokegan.report.types import classification, read_types

# Template → heading.
SECTIONS = {
    "samples": "Samples",
    "scores": "Scores",
    "training": "Training",
    "copies": "Nearest training images",
    "latent_space": "Latent space",
    "features": "Discriminator features",
    "types": "Types",
    "data_sets": "Training data",
    "provenance": "Provenance",
}
# Values are escaped, and a missing value is an error.
TEMPLATES = Environment(
    loader=PackageLoader("pokegan.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["dashes"] = DASHES


def render_ablations(file: Path, results: Path) -> str:
    """Render the page of the ablation that a file describes, from the results in a folder."""
    described = read_ablation(file)
    groups = by_question(described, results)
    return TEMPLATES.get_template("ablations.html.j2").render(
        title=described.title,
        introduction=described.introduction,
        groups=groups,
        protocol=protocol(described, groups),
        command=f"pokegan ablation {file}",
    )


def render_page(
    networks: Sequence[NetworkResults],
    untrained: dict[str, Path],
    encoders: Sequence[str],
    copies: Sequence[str],
    reference: Path,
    enlarged: Path,
    data_sets: Sequence[Path],
    types: tuple[Path, Path],
    seeds: Path,
    grids: Path,
    animations: Path,
) -> str:
    """Render the page, and write image grids and animations to two folders."""
    names = [network.name for network in networks]
    colors = palette(names)
    classified = read_types(*types)
    inspected = inspections(networks, colors)
    return TEMPLATES.get_template("page.html.j2").render(
        sections=SECTIONS,
        networks=networks,
        names=names,
        colors=colors,
        untrained=untrained,
        reference=images.real_grid(reference, grids),
        time_lapses={each.name: images.time_lapse(each, grids, animations) for each in networks},
        rate=images.RATE,
        scores=[encoder_scores(encoder, networks, colors) for encoder in encoders],
        trainings=trainings(seeds, networks, encoders),
        comparison=comparisons(networks, colors),
        training=curves({each.name: each.history for each in networks}, TRAINING_TITLES, colors),
        **inspected,
        types=classified,
        classification=classification(classified["facts"], inspected["features"]),
        contact_sheets=[images.contact_sheet(file, grids) for file in data_sets],
        enlargement=images.enlargement(enlarged, copies),
        augmented={net.name: images.augmented_inputs(net) for net in networks if net.augmentation},
        script=vl_convert.javascript_bundle(),  # type: ignore[call-arg]
    )
