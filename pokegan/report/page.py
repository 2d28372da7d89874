"""The page: a section per template, in the order below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pokegan.core.arrays import load_images
from pokegan.core.files import reading
from pokegan.report.charts import DASHES, palette, script
from pokegan.report.copies import nearest_images
from pokegan.report.data_sets import augmented_inputs, contact_sheet, enlargement
from pokegan.report.features import classification, discriminator_features
from pokegan.report.latent_space import latent_space, reconstructions
from pokegan.report.results import NetworkResults
from pokegan.report.samples import RATE, real_grid, time_lapse
from pokegan.report.scores import encoder_scores
from pokegan.report.training import training_charts
from pokegan.report.types import read_types

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


def render_page(
    networks: Sequence[NetworkResults],
    untrained: dict[str, Path],
    encoders: Sequence[str],
    reference: Path,
    enlarged: Path,
    data_sets: Sequence[Path],
    types: tuple[Path, Path],
    grids: Path,
    animations: Path,
) -> str:
    """Render the page, and write image grids and animations to two folders.

    Raises:
        PipelineError: an input is missing or damaged.
    """
    names = [network.name for network in networks]
    colors = palette(names)
    real, classified = load_images(reference), read_types(*types)
    inspected = inspections(networks, colors)
    return TEMPLATES.get_template("page.html.j2").render(
        sections=SECTIONS,
        networks=networks,
        names=names,
        colors=colors,
        untrained=untrained,
        resolution=real.shape[1],
        reference={"name": reference.stem, "count": len(real), "grid": real_grid(real, grids)},
        time_lapses={each.name: time_lapse(each, grids, animations) for each in networks},
        rate=RATE,
        scores=[encoder_scores(encoder, networks, colors) for encoder in encoders],
        training=training_charts(networks, colors),
        **inspected,
        types=classified,
        classification=classification(classified["facts"], inspected["features"]),
        contact_sheets=[contact_sheet(file, grids) for file in data_sets],
        enlargement=enlargement(enlarged),
        augmented={each.name: augmented_inputs(each) for each in networks if each.augmentation},
        script=script(),
    )


def inspections(
    networks: Sequence[NetworkResults], colors: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Return section → network → content, for the parts that the inspections have."""
    parts = ("copies", "latent_spaces", "reconstructions", "features")
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for network in networks:
        name, inspection = network.name, network.inspection
        if not inspection:
            continue
        with reading(network.folder / "inspection.*"):
            found["copies"][name] = nearest_images(inspection, colors[name])
            found["latent_spaces"][name] = latent_space(inspection)
            if "reconstruction" in inspection:
                found["reconstructions"][name] = reconstructions(inspection, colors[name])
            if "discriminator" in inspection:
                found["features"][name] = discriminator_features(inspection)
    return found
