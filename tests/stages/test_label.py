from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pokegan.core.errors import PipelineError
from pokegan.data.sources.pokedex import PACKAGE, read_pokedex
from stages.sources import npm
from tests.conftest import Stage, assert_one_sentence, set_params
from tests.registry import serving

HEADER = "row,source,national_number,form,kind\n"


def entry(number: int, name: str, types: list[str], before: str | None, **more: Any) -> Any:
    return {
        "national_id": number,
        "names": {"en": name},
        "types": types,
        "evolution_from": before,
        **more,
    }


ENTRIES = [
    entry(26, "Raichu", ["Electric"], "Pikachu", variations=[
        {"image_suffix": "alola", "names": {"en": "Alolan Raichu"}, "types": ["Electric", "Psychic"]},
    ]),
    entry(172, "Pichu", ["Electric"], None),
    entry(25, "Pikachu", ["Electric"], "Pichu"),
    entry(493, "Arceus", ["Normal"], None, variations=[{"names": {"en": "Bug"}, "types": ["Bug"]}]),
    entry(6, "Charizard", ["Fire", "Flying"], None, mega_evolutions=[
        {"image_suffix": "megax", "types": ["Fire", "Dragon"]},
    ]),
    entry(3, "Venusaur", ["Grass", "Poison"], None, mega_evolutions=[{"types": ["Grass"]}]),
]  # fmt: skip
POKEDEX = json.dumps({each["names"]["en"]: each for each in ENTRIES}).encode()


@pytest.mark.parametrize(
    ("number", "form", "types"),
    [
        (26, "", ("Electric",)),
        (26, "alola", ("Electric", "Psychic")),
        (26, "galar", ()),
        (493, "bug", ("Bug",)),
        (6, "mega-x", ("Fire", "Dragon")),
        (3, "mega", ("Grass",)),
    ],
)
def test_a_form_has_its_own_types_or_none(number: int, form: str, types: tuple[str]) -> None:
    assert read_pokedex(POKEDEX)[number].types_of(form) == types


def test_a_family_is_called_by_the_first_of_its_line() -> None:
    families = {number: species.family for number, species in read_pokedex(POKEDEX).items()}
    assert families == {172: 172, 25: 172, 26: 172, 493: 493, 6: 6, 3: 3}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": {}}', b'{"a": {"names": {"en": 1}}}'])
def test_another_file_is_named(content: bytes) -> None:
    with pytest.raises(PipelineError, match=r"oakdex-pokedex's data/pokemon.json.*label.npm"):
        read_pokedex(content)


def test_pictures_get_labels_from_the_pinned_package(
    stage: Stage, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["a,26,,artwork", "b,26,alola,sprite", "c,26,galar,sprite", "d,,,picture", "e,999,,box"]
    text = HEADER + "".join(f"{row},{each}\n" for row, each in enumerate(rows))
    (workspace / "set.csv").write_text(text)
    files = {"data/pokemon.json": POKEDEX, "data/move.json": b"{}"}
    with serving(monkeypatch, PACKAGE, "1.2.3", files) as registry:
        (workspace / "pin").write_bytes(registry.tarball)
        pin = {"version": "1.2.3", "bytes": len(registry.tarball)}
        pin["integrity"] = npm.integrity(workspace / "pin")
        set_params(workspace, {"label.npm": {PACKAGE: pin}})
        made = stage("label", "set.csv", "labels.csv")
        assert made.exit_code == 0, made.output
        assert "2 of 5 pictures have a type" in made.output
        set_params(workspace, {"label.npm": {PACKAGE: {**pin, "version": "9.9.9"}}})
        assert_one_sentence(stage("label", "set.csv", "b.csv"), "@9.9.9", "check label.npm")
    labels = pd.read_csv("labels.csv", keep_default_na=False, dtype=str)
    assert labels.to_numpy().tolist() == [
        ["0", "26", "Electric", "", "172"],
        ["1", "26", "Electric", "Psychic", "172"],
        ["2", "26", "", "", ""],
        ["3", "", "", "", ""],
        ["4", "999", "", "", ""],
    ]
    assert sorted(path.name for path in workspace.iterdir()) == [
        "labels.csv", "params.yaml", "pin", "set.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("numbered", [False, True])
def test_without_numbers_or_without_a_package_nothing_is_fetched(
    stage: Stage, workspace: Path, monkeypatch: pytest.MonkeyPatch, numbered: bool
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    (workspace / "set.csv").write_text(f"{HEADER}0,own.png,{25 if numbered else ''},,picture\n")
    if numbered:
        set_params(workspace, {"label.npm": None})
    made = stage("label", "set.csv", "labels.csv")
    assert made.exit_code == 0, made.output
    assert pd.read_csv("labels.csv")["first_type"].isna().all()


def test_what_cannot_be_used_is_named(stage: Stage, workspace: Path) -> None:
    assert_one_sentence(stage("label", "no.csv", "l.csv"), "no.csv is missing; run `dvc repro`")
    (workspace / "bad.csv").write_text("a,b\n1,2\n")
    assert_one_sentence(stage("label", "bad.csv", "l.csv"), "bad.csv is no readable manifest")
    (workspace / "set.csv").write_text(f"{HEADER}0,a,25,,artwork\n")
    pin = {"version": "1.0.0", "integrity": f"sha512-{'A' * 86}==", "bytes": 1}
    set_params(workspace, {"label.npm": {"left-pad": pin}})
    assert_one_sentence(stage("label", "set.csv", "l.csv"), "label.npm.left-pad", PACKAGE)
    assert not Path("l.csv").exists()
