import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.conftest import assert_one_sentence
from tests.report.fixtures import FULL, PLAIN, UNTRAINED, edit_json, page


def test_the_page_contains_the_results(rendered: Path) -> None:
    text = page(rendered)
    for words in (
        "Mean ± standard deviation",
        "<strong>123.4</strong> <small>± 2.5</small>",
        "real vs real: 61.7",
        "<strong>1250.0</strong>",
        "Not comparable with the scores above",
        "epoch 120 · step 480",
        "120 epochs on 48 images in 1.7 min",
        "<code>0123456789</code> + changes",
        "apply its uncommitted changes",
        "a processor, fp32",
        'parameters of the latent discriminator</th> <td class="number">44,257</td>',
        "<code>….lr</code></th> <td><code>null</code></td>",
    ):
        assert words in text, words
    assert "<script>alert(1)" not in (rendered / "reports/index.html").read_text()
    assert "&lt;script&gt;alert(1)" in text


def test_all_links_of_the_page_lead_to_files_of_the_project(rendered: Path) -> None:
    links = set(re.findall(r'(?:src|href)="([^",]*)', page(rendered)))
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]*)"', page(rendered)))
    files = {link for link in links if not link.startswith(("#", "data:"))}
    assert "../docs/pipeline.md" in files
    for link in files - {"../docs/pipeline.md", "../docs/parameters.md"}:
        assert (rendered / "reports" / link).is_file(), link


def test_grids_are_png_and_animations_webp_files(rendered: Path) -> None:
    networks = (FULL, PLAIN)
    grids = {path.name for path in (rendered / "reports/grids").iterdir()}
    assert grids == {"real.png", "pokemon819.png"} | {
        f"{name}{kind}.png" for name in networks for kind in ("", "_progress")
    }
    animations = {path.name for path in (rendered / "reports/animations").iterdir()}
    assert animations == {f"{name}.webp" for name in networks}


def test_networks_follow_dvc_yaml(rendered: Path) -> None:
    """Others are named, and folders of networks that dvc.yaml no longer has are ignored."""
    text = page(rendered)
    assert re.findall(r'<figure class="player"> <h3>([^<]*)', text) == [FULL, PLAIN]
    for name in UNTRAINED:
        assert f"{name} is not trained: reports/networks/{name}/run.json is missing" in text
    assert "removed" not in re.findall(r"[\w-]+", text.partition("<main>")[2])


def test_without_a_trained_network_there_is_no_page(root: Path, call: Callable[[], Result]) -> None:
    (root / f"reports/networks/{FULL}/samples.npz").unlink()
    shutil.rmtree(root / f"reports/networks/{PLAIN}")
    assert_one_sentence(call(), f"reports/networks/{FULL}/samples.npz is missing; run `dvc repro`")
    assert not (root / "reports/index.html").exists()
    assert not (root / "reports/grids").exists()


def test_parts_of_a_network_that_do_not_exist_are_named(
    root: Path, text: Callable[[], str]
) -> None:
    """PLAIN has neither an encoder nor features of a discriminator; FULL is not inspected."""
    (root / f"reports/networks/{FULL}/inspection.npz").unlink()
    (root / f"reports/networks/{FULL}/scores.csv").unlink()
    found = text()
    missing = f"{FULL}: reports/networks/{FULL}/inspection.npz is missing; run"
    assert found.count(missing) == 3  # nearest training images, latent space, features
    assert f"{PLAIN}: the inspection contains no features of a discriminator" in found
    assert ": reconstructions" not in found
    assert found.count("not scored") == 1
    assert f"{FULL}/inspection.npz, reports/networks/{FULL}/scores.csv are" in found


@pytest.mark.parametrize(
    "name",
    [
        "data/pokemon819.npy",
        "data/pokemon2457.npy",
        "reports/types.json",
        "reports/types.npz",
        f"reports/networks/{FULL}/run.json",
        f"reports/networks/{FULL}/history.csv",
        f"reports/networks/{FULL}/samples.npz",
        f"reports/networks/{FULL}/inspection.json",
        f"reports/networks/{FULL}/inspection.npz",
        f"reports/networks/{FULL}/scores.json",
        f"reports/networks/{FULL}/scores.csv",
    ],
)
def test_a_damaged_file_is_named(root: Path, call: Callable[[], Result], name: str) -> None:
    (root / name).write_text("" if name.endswith(".csv") else "{]")
    assert_one_sentence(call(), f"{name} cannot be read", "delete it and run `dvc repro`")
    assert not (root / "reports/index.html").exists()
    if not name.startswith("reports/networks"):
        (root / name).unlink()
        assert_one_sentence(call(), f"{name} is missing")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("scores.json", "recall_effnet_lite0_reals"),
        ("inspection.json", "copies"),
        ("run.json", "steps"),
    ],
)
def test_a_file_that_lacks_a_value_is_named(
    root: Path, call: Callable[[], Result], name: str, key: str
) -> None:
    file = root / f"reports/networks/{FULL}" / name
    edit_json(file, lambda values: values.pop(key))
    stem = name.removesuffix(".json")
    assert_one_sentence(call(), f"{FULL}/{stem}", "cannot be read", key)
