import numpy as np

from pokegan.metrics.neighbors import nearest_neighbors


def test_neighbors_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    points, queries = (rng.normal(size=(n, 6)).astype(np.float32) for n in (1030, 5))
    distances, rows = nearest_neighbors(queries, points, 4)
    matrix = np.linalg.norm(queries[:, None].astype(float) - points, axis=2)
    assert (rows == matrix.argsort(axis=1)[:, :4]).all()
    np.testing.assert_allclose(distances, np.sort(matrix, axis=1)[:, :4])

    distances, rows = nearest_neighbors(points, points, 1, exclude_self=True)
    matrix = np.linalg.norm(points[:, None].astype(float) - points, axis=2)
    np.fill_diagonal(matrix, np.inf)
    assert (rows[:, 0] == matrix.argmin(axis=1)).all()
    np.testing.assert_allclose(distances[:, 0], matrix.min(axis=1))


def test_equal_rows_have_distance_zero() -> None:
    points = 100 + np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    distances, rows = nearest_neighbors(points, points, 2)
    assert (distances[:, 0] == 0).all()
    assert (rows[:, 0] == np.arange(60)).all()
    assert (distances[:, 1] > 0).all()
    twice = np.concatenate([points, points])
    assert (nearest_neighbors(twice, twice, 1, exclude_self=True)[0] == 0).all()
