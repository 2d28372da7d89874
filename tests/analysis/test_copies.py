from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pokegan.analysis.copies import (
    Index,
    find_copies,
    load_index,
    nearest_relatives,
    read_species,
    save_index,
    select_shown,
    summarize_distances,
)
from pokegan.core.errors import PipelineError

ENCODER: Any = SimpleNamespace(name="effnet_lite0", sha256="0123456789")
INDEX = Index(np.eye(4, dtype=np.float32), np.arange(4.0), np.arange(4.0))


def test_distances_within_and_between_groups_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1030, 6)).astype(np.float32)
    groups = rng.integers(0, 300, 1030).astype(str)
    groups[0] = "alone"
    to_own, to_others = nearest_relatives(features, groups)
    matrix = np.linalg.norm(features[:, None].astype(float) - features, axis=2)
    same = groups[:, None] == groups
    others = np.where(same, np.inf, matrix).min(axis=1)
    np.fill_diagonal(same, False)
    np.testing.assert_allclose(to_others, others)
    np.testing.assert_allclose(to_own, np.where(same, matrix, np.inf).min(axis=1))
    assert np.isinf(to_own[0])


def test_groups_of_one_and_a_single_group() -> None:
    points = np.array([[0.0, 0], [3, 4], [6, 8]], np.float32)
    to_own, to_others = nearest_relatives(points, np.array(["a", "a", "a"]))
    assert to_own.tolist() == pytest.approx([5, 5, 5])
    assert np.isinf(to_others).all()
    to_own, to_others = nearest_relatives(points, np.array(["a", "b", "c"]))
    assert np.isinf(to_own).all()
    assert to_others.tolist() == pytest.approx([5, 5, 5])


def test_a_species_is_a_national_number_or_a_file(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("row,source,national_number\n0,a.svg,25\n1,b.gif,25\n2,c.png,\n3,c.png,\n")
    species = read_species(manifest, 4)
    assert species.tolist() == ["25", "25", "c.png", "c.png"]
    assert read_species(manifest, 12).tolist() == 3 * species.tolist()
    own = read_species(manifest, 4, numbered=False)
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


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_index(tmp_path / "i.npz", ENCODER, INDEX)
    for found, written in zip(load_index(tmp_path / "i.npz", ENCODER, 4), INDEX, strict=True):
        assert (found == written).all()
        assert found.dtype == written.dtype


def test_an_index_of_other_images_or_another_encoder_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "i.npz"
    with pytest.raises(PipelineError, match=r"i\.npz is missing"):
        load_index(file, ENCODER, 4)
    save_index(file, ENCODER, INDEX)
    with pytest.raises(PipelineError, match="is an index of 4 images, not of 5"):
        load_index(file, ENCODER, 5)
    other: Any = SimpleNamespace(name="effnet_lite0", sha256="9876543210")
    with pytest.raises(PipelineError, match=r"effnet_lite0 \(01234567…\), not .*\(98765432…\)"):
        load_index(file, other, 4)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(PipelineError, match=r"i\.npz cannot be read"):
        load_index(file, ENCODER, 4)


def test_neighbors_of_the_closest_images_and_of_others() -> None:
    rng = np.random.default_rng(0)
    known, features = rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=(9, 3))
    images = np.arange(21)[:, None, None, None].repeat(3, axis=3)
    generated, training = images[:9], images[9:]
    arrays, _ = find_copies(generated, features, training, INDEX._replace(features=known))
    matrix = np.linalg.norm(features[:, None] - known, axis=2)
    np.testing.assert_allclose(arrays["distances"], matrix.min(axis=1))
    shown = arrays["generated"][:, 0, 0, 0]
    assert shown[:3].tolist() == matrix.min(axis=1).argsort()[:3].tolist()
    assert len(set(shown)) == 6
    for row, neighbors in zip(shown, arrays["neighbours"][..., 0, 0, 0], strict=True):
        assert (neighbors - 9).tolist() == matrix[row].argsort()[:5].tolist()
    np.testing.assert_allclose(arrays["neighbour_distances"], np.sort(matrix[shown], axis=1)[:, :5])


def test_copies_are_closer_than_the_closest_twentieth() -> None:
    to_others = np.arange(1.0, 102)  # 5 % quantile: 6
    index = Index(np.empty((0, 0)), np.array([1.0, np.inf, 3.0]), to_others)
    assert summarize_distances(np.array([5.9, 6.0, 5.0, 50.0]), index) == {
        "nearest_median": 5.95,
        "copies": 0.5,
        "nearest_median_other_species": 51.0,
        "nearest_median_same_species": 2.0,
    }


def test_the_closest_images_and_others_are_shown() -> None:
    distances = np.array([9.0, 1, 8, 2, 7, 3, 6, 4, 5])
    assert distances[select_shown(distances)].tolist() == [1, 2, 3, 4, 6, 9]
    assert distances[select_shown(distances[:2])].tolist() == [1, 9]
