from pathlib import Path

import numpy as np
import pytest
import torch

from pokegan.analysis.copies import find_copies, read_species, select_shown, summarize_distances
from pokegan.core.errors import PipelineError
from pokegan.encoders.alexnet import Encoder
from pokegan.metrics.lpips import lpips_distances

CPU = torch.device("cpu")
VECTORS = Encoder(CPU).lpips_vectors


def test_neighbors_and_relatives_by_brute_force(drawings: np.ndarray) -> None:
    generated, training = drawings[:9], drawings[9:30]
    species = np.array([*"aabbccddeeffgghhiijjx"])
    arrays, _ = find_copies(generated, training, species, VECTORS, CPU)
    to_fakes, between = (
        lpips_distances(VECTORS, each, training, CPU) for each in (generated, training)
    )
    np.testing.assert_allclose(arrays["distances"], to_fakes.min(axis=1), atol=1e-6)
    first = [(generated == image).all(axis=(1, 2, 3)).argmax() for image in arrays["generated"]]
    assert first[:3] == to_fakes.min(axis=1).argsort()[:3].tolist()
    assert len(set(first)) == 6
    for row, neighbors in zip(first, arrays["neighbours"], strict=True):
        assert (neighbors == training[to_fakes[row].argsort()[:5]]).all()
    rows = np.linspace(0, 20, 9).round().astype(int)
    np.fill_diagonal(between, np.inf)
    same = species[:, None] == species
    for name, mask in {"to_own": same, "to_others": ~same}.items():
        expected = np.where(mask, between, np.inf).min(axis=1)[rows]
        np.testing.assert_allclose(arrays[name], expected, atol=1e-6)
    assert np.isinf(arrays["to_own"][-1])


def test_a_single_species_has_no_threshold(drawings: np.ndarray) -> None:
    arrays, figures = find_copies(
        drawings[:2], drawings[2:5], np.array(["a", "a", "a"]), VECTORS, CPU
    )
    assert np.isinf(arrays["to_others"]).all()
    assert set(figures) == {"nearest_median", "nearest_median_same_species"}


def test_a_species_is_a_national_number_or_a_file(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("row,source,national_number\n0,a.svg,25\n1,b.gif,25\n2,c.png,\n3,c.png,\n")
    species, originals = read_species(manifest, 4)
    assert originals == 4
    assert species.tolist() == ["25", "25", "c.png", "c.png"]
    assert read_species(manifest, 12)[0].tolist() == 3 * species.tolist()
    own, _ = read_species(manifest, 4, numbered=False)
    assert own.tolist() == ["a.svg", "b.gif", "c.png", "c.png"]
    for wrong, text, words in (
        (5, manifest.read_text(), "m.csv has 4 rows for 5 images"),
        (4, "row,source\n0,a.svg\n", "m.csv cannot be read"),
        (4, "row,source,national_number\n", "m.csv has 0 rows for 4 images"),
    ):
        manifest.write_text(text)
        with pytest.raises(PipelineError, match=words):
            read_species(manifest, wrong)
    with pytest.raises(PipelineError, match=r"none\.csv is missing"):
        read_species(tmp_path / "none.csv", 4)


def test_copies_are_closer_than_the_closest_twentieth() -> None:
    to_others = np.arange(1.0, 102)  # 5 % quantile: 6
    to_own = np.array([1.0, np.inf, 3.0])
    assert summarize_distances(np.array([5.9, 6.0, 5.0, 50.0]), to_own, to_others) == {
        "nearest_median": 5.95,
        "copies": 0.5,
        "nearest_median_other_species": 51.0,
        "nearest_median_same_species": 2.0,
    }


def test_the_closest_images_and_others_are_shown() -> None:
    distances = np.array([9.0, 1, 8, 2, 7, 3, 6, 4, 5])
    assert distances[select_shown(distances)].tolist() == [1, 2, 3, 4, 6, 9]
    assert distances[select_shown(distances[:2])].tolist() == [1, 9]
