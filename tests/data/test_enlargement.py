from typing import Literal

import numpy as np
import pytest

from pokegan.core.schema import Augment
from pokegan.data.enlargement import enlarge

Copies = list[Literal["mirrored", "jittered"]]


def params(copies: Copies) -> Augment:
    return Augment(copies=copies, brightness=0.2, contrast=0.2, saturation=0.2, keep_white=True)


@pytest.mark.parametrize("copies", [[], ["jittered"], ["jittered", "mirrored"]])
def test_the_enlargement_holds_the_copies_that_are_named(
    drawings: np.ndarray, copies: Copies
) -> None:
    every = enlarge(drawings, params(["mirrored", "jittered"]), 1)
    parts = dict(zip(["original", "mirrored", "jittered"], np.split(every, 3), strict=True))
    np.testing.assert_array_equal(parts["original"], drawings)
    np.testing.assert_array_equal(parts["mirrored"], drawings[:, :, ::-1])
    found = enlarge(drawings, params(copies), 1)
    np.testing.assert_array_equal(found, np.concatenate([parts[n] for n in ("original", *copies)]))
