"""Both data sets from the real packages, with the committed parameters."""

import hashlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from pokegan.data.rendering import distinct_frames
from pokegan.data.sources.archive import read_archive
from tests.conftest import ROOT, disable_tracking, run, succeed

pytestmark = pytest.mark.slow
SETS = {"pokemon819": 819, "pokemon14000": 14_000, "pokemon2457": 2457}
STAGES = (
    "download pictures.zip",
    "prepare pokemon819 pictures.zip pokemon819.npy pokemon819.csv pokemon819_left_out.csv",
    "prepare pokemon14000 pictures.zip pokemon14000.npy pokemon14000.csv pokemon14000_left_out.csv",
    "augment pokemon819.npy pokemon2457.npy",
)


def committed(name: str) -> str:
    """Return the committed version of a file; an experiment may have changed the working tree."""
    return run("git", "show", f"HEAD:{name}", cwd=ROOT).stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the stages with the committed parameters in a folder."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).write_text(committed(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        disable_tracking(patch)
        for name, *arguments in map(str.split, STAGES):
            succeed(CliRunner().invoke(getattr(import_module(f"stages.{name}"), name), arguments))
    return folder


def manifest(data: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(data / f"{name}.csv", keep_default_na=False)


@pytest.mark.parametrize(("name", "count"), SETS.items())
def test_counts_and_bytes_are_those_of_the_committed_run(data: Path, name: str, count: int) -> None:
    file = data / f"{name}.npy"
    assert np.load(file).shape == (count, 64, 64, 3)
    if name == "pokemon2457":
        return  # the last bit of the jitter depends on the kind of processor
    stages = yaml.safe_load(committed("dvc.lock"))["stages"].values()
    recorded = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    assert hashlib.md5(file.read_bytes()).hexdigest() == recorded[f"data/{name}.npy"]


@pytest.mark.parametrize("name", ["pokemon819", "pokemon14000"])
def test_images_are_distinct_and_match_the_manifest(data: Path, name: str) -> None:
    images, table = np.load(data / f"{name}.npy"), manifest(data, name)
    hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    assert len(set(hashes)) == len(images)
    assert table["sha256"].tolist() == hashes
    assert table["row"].tolist() == list(range(len(images)))
    assert not table["source"].str.contains("/back/").any()
    assert table["national_number"].between(1, 905).all()


def test_pokemon819_holds_all_artworks_and_sprites_of_variants_without(data: Path) -> None:
    table = manifest(data, "pokemon819")
    artworks, sprites = (table[table["kind"] == kind] for kind in ("artwork", "sprite"))
    assert len(artworks) + len(sprites) == 819
    assert len(artworks) > 720
    assert set(artworks["national_number"]) == set(range(1, 650))
    variant = ["national_number", "form", "female"]
    shown = set(map(tuple, artworks[variant].to_numpy()))
    assert not shown & set(map(tuple, sprites[variant].to_numpy()))
    assert (sprites["frame"] == 0).all()
    assert sprites["national_number"].is_monotonic_increasing


def test_pokemon14000_takes_about_as_many_frames_of_each_animation(data: Path) -> None:
    table = manifest(data, "pokemon14000")
    kinds = table["kind"].value_counts()
    assert kinds["artwork"] > 720
    assert 2550 < kinds["box"] < 2705
    assert (table["national_number"] > 649).sum() > 300
    assert table["shiny"].any()
    assert table["female"].any()

    chosen = table[table["kind"] == "sprite"].groupby("source")["frame"].agg(list)
    assert len(chosen) > 1600
    most = chosen.map(len).max()
    assert chosen.map(len).median() >= most - 1
    with read_archive(data / "pictures.zip") as archive:
        for source, numbers in chosen.iloc[::80].items():
            distinct = distinct_frames(source, archive.read(source), 64)
            even = [
                {distinct[i * len(distinct) // share] for i in range(share)}
                for share in (most, most - 1)
            ]
            assert any(set(numbers) <= some for some in even)


@pytest.mark.parametrize("name", ["pokemon819", "pokemon14000"])
def test_the_background_is_white_and_the_foreground_fills_the_square(data: Path, name: str) -> None:
    images = np.load(data / f"{name}.npy")
    kinds = manifest(data, name)["kind"].to_numpy()
    sides = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    darkest = np.min([side.min(axis=(1, 2)) for side in sides], axis=0)
    assert darkest[kinds != "box"].min() >= 247
    # The smallest box sprites are enlarged sixfold: their soft outline reaches the border.
    assert darkest.min() >= 215
    foreground = (images < 247).any(axis=3)
    assert foreground.mean(axis=(1, 2)).min() >= 0.02
    height = foreground.any(axis=2).sum(axis=1)
    width = foreground.any(axis=1).sum(axis=1)
    assert np.median(np.maximum(height, width)) >= 58


def test_the_enlargement_holds_originals_mirror_images_and_jittered_copies(data: Path) -> None:
    originals = np.load(data / "pokemon819.npy").astype(int)
    enlarged = np.load(data / "pokemon2457.npy").reshape(3, *originals.shape)
    first, mirrored, jittered = enlarged
    assert (first == originals).all()
    assert (mirrored == originals[:, :, ::-1]).all()
    white = (originals == 255).all(axis=3)
    assert (jittered[white] == 255).all()
    change = np.abs(jittered - originals)[~white]
    assert 5 < change.mean() < 40
    changed = (jittered != originals).any(axis=(1, 2, 3))
    assert changed.mean() > 0.99
