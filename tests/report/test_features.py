import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pokegan.core.files import load_arrays
from pokegan.report.types import classification
from tests.report.fixtures import FULL, TASK, edit_json, page, probe

TYPES = Path("reports/types.json")
INSPECTION = Path(f"reports/networks/{FULL}/inspection.json")


def test_the_table_has_a_row_for_each_kind_of_features(rendered: Path) -> None:
    text = page(rendered)
    rows = re.findall(r'<th scope="row">([^<]*?) <span.*?<strong>([\d.]+) %', text)
    assert rows == [
        ("majority class", "51.0"),
        ("silhouette", "52.0"),
        ("raw pixels", "60.0"),
        ("color histogram", "81.0"),
        ("EfficientNet-Lite0", "70.0"),
        (f"{FULL}, untrained", "55.0"),
        (FULL, "66.0"),
    ]
    for words in (
        "Highest accuracy: <strong>color histogram</strong>, 81.0 %.",
        f"in percentage points: {FULL} +11.0 ± 1.0.",
        "initial weights: 0.50.",
        "64 of 96 filters of 4×4",
        "5-fold cross-validation on 120 images of 2 types",
        "The majority class is Water.",
        "<strong>81.0 %</strong> from the color histogram",
        "<strong>52.0 %</strong> from the silhouette",
        "accuracy 90 %",
        "<figcaption>too few</figcaption>",
        "background: #0010ff",
        "3 images of types with fewer than 5 evolution lines",
        "4 images have no known type",
    ):
        assert words in text, words


def test_networks_without_a_classification_have_no_row() -> None:
    found = probe("untrained", 0.55) | probe("trained", 0.66)
    titles = [row["title"] for row in classification({}, {"a": found, "b": {"filters": 64}})]
    assert titles == ["a, untrained", "a"]


def without(root: Path, part: str) -> None:
    """Remove all keys that contain a part, from both JSON files."""
    for name in (TYPES, INSPECTION):
        file = root / name
        values = json.loads(file.read_text())
        section = values if name == TYPES else values["discriminator"]
        for key in [key for key in section if part in key]:
            del section[key]
        file.write_text(json.dumps(values))


def test_without_water_there_is_no_column_for_it(root: Path, text: Callable[[], str]) -> None:
    without(root, "water")
    edit_json(root / TYPES, lambda values: values.update(commonest="Fire"))
    found = text()
    assert "ROC" not in found
    assert "majority class" in found


def test_too_few_images_of_known_types_leave_a_gap(root: Path, text: Callable[[], str]) -> None:
    for part in ("accuracy", "auc", "commonest"):
        without(root, part)
    arrays = load_arrays(root / "reports/types.npz").items()
    kept = {key: value for key, value in arrays if not key.startswith("told")}
    np.savez(root / "reports/types.npz", **kept)
    found = text()
    assert "at least two types with 5 evolution lines each are required" in found
    assert "too few images with a known type for a classification" in found
    assert found.count('class="filters"') == 2


def test_a_data_set_without_types_leaves_a_gap(root: Path, text: Callable[[], str]) -> None:
    arrays = load_arrays(root / "reports/types.npz")
    np.savez(root / "reports/types.npz", **{key: value[:0] for key, value in arrays.items()})
    (root / TYPES).write_text(json.dumps({**TASK, "pictures": 0}))
    assert "No image has a known type" in text()
