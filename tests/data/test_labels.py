import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pokegan.core.errors import PipelineError
from pokegan.data.labels import PACKAGE, label_images, parse_pokedex
from pokegan.data.sources.npm import integrity
from tests.conftest import Stage, assert_one_sentence, set_params, succeed
from tests.data.sources.registry import serve

HEADER = "row,source,national_number,form,kind\n"


def entry(number: int, name: str, types: list[str], before: str | None, **more: Any) -> Any:
    names = {"en": name}
    return {
        "national_id": number, "names": names, "types": types, "evolution_from": before, **more
    }  # fmt: skip


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
    ("number", "form", "labels"),
    [
        (26, "", ["Electric", None, 172]),
        (25, "", ["Electric", None, 172]),
        (172, "", ["Electric", None, 172]),
        (26, "alola", ["Electric", "Psychic", 172]),
        (26, "galar", [None, None, None]),
        (493, "bug", ["Bug", None, 493]),
        (6, "mega-x", ["Fire", "Dragon", 6]),
        (3, "mega", ["Grass", None, 3]),
        (None, "", [None, None, None]),
    ],
)
def test_each_form_has_its_own_types(number: int | None, form: str, labels: list[Any]) -> None:
    manifest = pd.DataFrame({"row": [0], "national_number": [number], "form": [form]})
    table = label_images(manifest.astype({"national_number": "Int64"}), parse_pokedex(POKEDEX))
    found = table[["first_type", "second_type", "family"]].astype(object).iloc[0]
    assert found.where(found.notna(), None).tolist() == labels


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": {}}', b'{"a": {"names": {"en": 1}}}'])
def test_another_format_is_reported(content: bytes) -> None:
    with pytest.raises(PipelineError, match=r"data/pokemon.json of oakdex-pokedex.*label.npm"):
        parse_pokedex(content)


def test_the_stage_labels_by_the_pinned_package(
    stage: Stage, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["a,26,,artwork", "b,26,alola,sprite", "c,26,galar,sprite", "d,,,picture", "e,999,,box"]
    text = HEADER + "".join(f"{row},{each}\n" for row, each in enumerate(rows))
    (workspace / "set.csv").write_text(text)
    files = {"data/pokemon.json": POKEDEX, "data/move.json": b"{}"}
    with serve(monkeypatch, PACKAGE, "1.2.3", files) as registry:
        (workspace / "pin").write_bytes(registry.tarball)
        pin = {"version": "1.2.3", "bytes": len(registry.tarball)}
        pin["integrity"] = integrity(workspace / "pin")
        set_params(workspace, {"label.npm": {PACKAGE: pin}})
        result = succeed(stage("label", "set.csv", "labels.csv"))
        assert "2 of 5 pictures have a type" in result.output
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
    assert not list(workspace.glob(".*"))


@pytest.mark.parametrize("numbered", [False, True])
def test_nothing_is_downloaded_without_numbers_or_without_a_package(
    stage: Stage, workspace: Path, monkeypatch: pytest.MonkeyPatch, numbered: bool
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    (workspace / "set.csv").write_text(f"{HEADER}0,own.png,{25 if numbered else ''},,picture\n")
    if numbered:
        set_params(workspace, {"label.npm": None})
    succeed(stage("label", "set.csv", "labels.csv"))
    assert pd.read_csv("labels.csv")["first_type"].isna().all()


def test_unusable_inputs_are_reported(stage: Stage, workspace: Path) -> None:
    assert_one_sentence(stage("label", "no.csv", "l.csv"), "no.csv is missing; run `dvc repro`")
    (workspace / "bad.csv").write_text("a,b\n1,2\n")
    assert_one_sentence(stage("label", "bad.csv", "l.csv"), "bad.csv cannot be read")
    (workspace / "set.csv").write_text(f"{HEADER}0,a,25,,artwork\n")
    pin = {"version": "1.0.0", "integrity": f"sha512-{'A' * 86}==", "bytes": 1}
    set_params(workspace, {"label.npm": {"left-pad": pin}})
    assert_one_sentence(stage("label", "set.csv", "l.csv"), "label.npm.left-pad", PACKAGE)
    assert not Path("l.csv").exists()
