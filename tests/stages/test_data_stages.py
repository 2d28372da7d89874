"""Both data sets as every user gets them, from the real packages with the committed parameters."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pokegan.core.schema import Prepare
from pokegan.data.rendering import distinct_frames
from pokegan.data.selection import select
from pokegan.data.sources.archive import read_archive, write_archive
from tests.conftest import ROOT, make_repository, run

SETS = {"pokemon819": 819, "pokemon14000": 14_000, "pokemon2457": 2457}


def committed(name: str) -> str:
    """A file as it was committed: an experiment may have changed it in the working tree."""
    return run("git", "show", f"HEAD:{name}", cwd=ROOT).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary repository with the committed parameters, downloaded and prepared."""
    folder = tmp_path_factory.mktemp("pictures")
    make_repository(folder)
    (folder / "params.yaml").write_text(committed("params.yaml"))
    run("dvc", "repro", "prepare_pokemon14000", "augment", cwd=folder)
    return folder


@pytest.mark.parametrize(("name", "count"), SETS.items())
def test_counts_and_bytes(repository: Path, name: str, count: int) -> None:
    """As many pictures as promised, and the same bytes that dvc.lock recorded elsewhere.

    The jitter computes in floating point, whose last bit another kind of processor may round
    otherwise: for the enlargement the count must do.
    """
    file = repository / f"data/{name}.npy"
    assert np.load(file).shape == (count, 64, 64, 3)
    if name == "pokemon2457":
        return
    lock = yaml.safe_load(committed("dvc.lock"))
    recorded = {o["path"]: o["md5"] for s in lock["stages"].values() for o in s["outs"]}
    assert hashlib.md5(file.read_bytes()).hexdigest() == recorded[f"data/{name}.npy"]


@pytest.mark.parametrize("name", ["pokemon819", "pokemon14000"])
def test_pictures_are_distinct_and_the_manifest_knows_them(repository: Path, name: str) -> None:
    pictures = np.load(repository / f"data/{name}.npy")
    manifest = pd.read_csv(repository / f"data/{name}.csv", keep_default_na=False)
    hashes = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]
    assert len(set(hashes)) == len(pictures)
    assert manifest["sha256"].tolist() == hashes
    assert manifest["row"].tolist() == list(range(len(pictures)))
    assert not manifest["source"].str.contains("/back/").any()
    assert manifest["national_number"].between(1, 905).all()


def test_pokemon819_is_every_artwork_topped_up_with_sprites(repository: Path) -> None:
    manifest = pd.read_csv(repository / "data/pokemon819.csv", keep_default_na=False)
    artworks, sprites = (manifest[manifest["kind"] == kind] for kind in ("artwork", "sprite"))
    assert len(artworks) + len(sprites) == 819
    assert len(artworks) > 720
    assert set(artworks["national_number"]) == set(range(1, 650))
    who = ["national_number", "form", "female"]
    drawn = set(map(tuple, artworks[who].to_numpy()))
    assert not drawn & set(map(tuple, sprites[who].to_numpy()))
    assert (sprites["frame"] == 0).all()
    assert sprites["national_number"].is_monotonic_increasing


def test_pokemon14000_shares_its_frames_evenly(repository: Path) -> None:
    manifest = pd.read_csv(repository / "data/pokemon14000.csv", keep_default_na=False)
    kinds = manifest["kind"].value_counts()
    assert kinds["artwork"] > 720
    assert 2550 < kinds["box"] < 2705
    assert (manifest["national_number"] > 649).sum() > 300
    assert manifest["shiny"].any()
    assert manifest["female"].any()

    chosen = manifest[manifest["kind"] == "sprite"].groupby("source")["frame"].agg(list)
    assert len(chosen) > 1600
    most = chosen.map(len).max()
    assert chosen.map(len).median() >= most - 1
    with read_archive(repository / "data/raw/pictures.zip") as archive:
        for source, numbers in chosen.iloc[::80].items():
            distinct = distinct_frames(source, archive.read(source), 64)
            even = [
                {distinct[i * len(distinct) // share] for i in range(share)}
                for share in (most, most - 1)
            ]
            assert any(set(numbers) <= some for some in even)


@pytest.mark.parametrize("name", ["pokemon819", "pokemon14000"])
def test_creatures_stand_on_white_and_fill_their_square(repository: Path, name: str) -> None:
    pictures = np.load(repository / f"data/{name}.npy")
    kinds = pd.read_csv(repository / f"data/{name}.csv")["kind"].to_numpy()
    sides = (pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1])
    darkest = np.min([side.min(axis=(1, 2)) for side in sides], axis=0)
    assert darkest[kinds != "box"].min() >= 247
    # The smallest box sprites are enlarged sixfold, and their soft outline reaches the border.
    assert darkest.min() >= 215
    inked = (pictures < 247).any(axis=3)
    assert inked.mean(axis=(1, 2)).min() >= 0.02
    height = inked.any(axis=2).sum(axis=1)
    width = inked.any(axis=1).sum(axis=1)
    assert np.median(np.maximum(height, width)) >= 58


def test_the_enlargement_is_originals_mirrors_and_jittered_copies(repository: Path) -> None:
    originals = np.load(repository / "data/pokemon819.npy").astype(int)
    first, mirrored, jittered = np.load(repository / "data/pokemon2457.npy").reshape(
        3, *originals.shape
    )
    assert (first == originals).all()
    assert (mirrored == originals[:, :, ::-1]).all()
    white = (originals == 255).all(axis=3)
    assert (jittered[white] == 255).all()
    change = np.abs(jittered - originals)[~white]
    assert 5 < change.mean() < 40
    changed = (jittered != originals).any(axis=(1, 2, 3))
    assert changed.mean() > 0.99


def test_sheets_for_people(repository: Path) -> None:
    for name in SETS:
        with Image.open(repository / f"data/{name}.png") as sheet:
            assert sheet.width > 700
            assert len(set(sheet.resize((64, 64)).getdata())) > 500


def test_broken_pictures_are_named_and_skipped_within_the_limit(
    repository: Path, tmp_path: Path
) -> None:
    with read_archive(repository / "data/raw/pictures.zip") as archive:
        names = [n for n in archive.namelist() if "dream-world" in n][:40]
        files = {name: archive.read(name) for name in names}
    files[names[3]] = files[names[3]][:100]
    write_archive(tmp_path / "broken.zip", files.items())
    lenient, strict = (Prepare(resolution=64, margin=0, unreadable=u) for u in (0.05, 0.01))
    with read_archive(tmp_path / "broken.zip") as archive:
        selection = select("pokemon819", None, archive, lenient)
        assert list(selection.unreadable) == [names[3]]
        assert len(selection) >= 38
        with pytest.raises(Exception, match="prepare.unreadable.*" + re.escape(names[3])):
            select("pokemon819", None, archive, strict)
