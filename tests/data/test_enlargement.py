import numpy as np

from pokegan.core.schema import Augment
from pokegan.data.enlargement import enlarge

JITTER = Augment(brightness=0.2, contrast=0.2, saturation=0.2, keep_white=True)


def test_the_jitter_is_seeded_and_each_strength_counts(drawings: np.ndarray) -> None:
    assert np.array_equal(enlarge(drawings, JITTER, 1), enlarge(drawings, JITTER, 1))
    assert not np.array_equal(enlarge(drawings, JITTER, 1), enlarge(drawings, JITTER, 2))
    still = Augment(brightness=0, contrast=0, saturation=0, keep_white=False)
    third = enlarge(drawings, still, 1)[2 * len(drawings) :]
    assert np.array_equal(third, drawings)
    for strength in ("brightness", "contrast", "saturation"):
        changed = still.model_copy(update={strength: 0.5})
        assert not np.array_equal(enlarge(drawings, changed, 1)[2 * len(drawings) :], drawings)


def test_without_keep_white_the_background_turns_gray(drawings: np.ndarray) -> None:
    gray = JITTER.model_copy(update={"keep_white": False, "brightness": 0.5})
    third = enlarge(drawings, gray, 1)[2 * len(drawings) :]
    assert (third[drawings == 255] < 255).mean() > 0.2
