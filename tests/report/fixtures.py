"""Made-up results of the stages, in the formats that the report reads."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from contextlib import chdir
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from pokegan.core.files import read_json
from pokegan.core.grids import GAP
from pokegan.core.params import digest
from pokegan.metrics.names import metric_name
from stages.report import report
from tests.conftest import NETWORKS, ROOT, TINY, disable_tracking, set_params

FULL, PLAIN, *UNTRAINED = NETWORKS
LITE = "effnet_lite0"
SCORES = ("fd", "kd", "cs", "precision", "recall", "density", "coverage", "near_duplicates")
TASK = {
    "pictures": 120, "types": 2, "families": 60, "folds": 5,
    "pictures_of_rare_types": 3, "pictures_without_type": 4,
}  # fmt: skip


def flat_images() -> np.ndarray:
    """48 images, each of one color, which lossy compression preserves."""
    colors = np.random.default_rng(0).integers(0, 256, (48, 1, 1, 3), np.uint8)
    return np.broadcast_to(colors, (48, 32, 32, 3))


def save_all(root: Path, images: np.ndarray) -> None:
    """Write a workspace: FULL has all parts; PLAIN has no encoder, discriminator or augmentation."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    set_params(root, TINY)
    (root / "data").mkdir()
    np.save(root / "data/pokemon819.npy", images)
    np.save(root / "data/pokemon2457.npy", np.concatenate([images, images[:, :, ::-1], images]))
    networks = root / "reports/networks"
    save_network(networks / FULL, images, ["cutout", "contrast"])
    save_network(networks / PLAIN, images, [], parts=())
    (networks / "removed").mkdir()
    save_types(root / "reports")
    save_seeds(root / "reports/ablations/seeds", networks / FULL)
    save_ablations(root)


def render(root: Path) -> Result:
    """Run stages/report.py without MLflow."""

    arguments = "reports/index.html reports/grids reports/animations reports/networks"
    arguments += " --reference data/pokemon819.npy --enlarged data/pokemon2457.npy"
    arguments += " --dataset data/pokemon819.npy --types reports/types.npz reports/types.json"
    arguments += " --seeds reports/ablations/seeds --ablations studies/ablations.yaml"
    arguments += " reports/ablations/ablations reports/ablations.html"
    with chdir(root), pytest.MonkeyPatch.context() as patch:
        disable_tracking(patch)
        return CliRunner().invoke(report, arguments.split())


def page(root: Path) -> str:
    """The page without its scripts, with single spaces."""
    text = (root / "reports/index.html").read_text(encoding="utf-8")
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    return " ".join(text.replace("&nbsp;", " ").split())


def edit_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


def decode(address: str) -> np.ndarray:
    """The pixels of a data URI."""
    image = Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGB"))


def colors(sheet: np.ndarray, height: int = 32) -> np.ndarray:
    """The central colors (N, 3) of the cells of a grid of images of 32 pixels."""
    return sheet[18 :: height + GAP, 18 :: 32 + GAP].reshape(-1, 3).astype(int)


def save_network(
    folder: Path,
    images: np.ndarray,
    augmentation: list[str],
    parts: tuple[str, ...] = ("discriminator", "reconstruction"),
) -> None:
    """Write the results of a network: three snapshots, two scored ones, and an inspection."""
    folder.mkdir(parents=True)
    samples = {
        "epochs": np.array([50.0, 100.0, 120.0]),
        "pictures": np.stack([images[:16], images[16:32], images[32:48]]),
    }
    if augmentation:
        samples |= {"true": images[:8], "seen": 255 - np.stack([images[8:16]] * 3)}
    np.savez(folder / "samples.npz", **samples)
    (folder / "history.csv").write_text(
        "epoch,step,discriminator_loss,generator_loss,d_real,d_fake,diversity\n"
        "60,240,1.4,0.8,0.5,0.5,0.1\n120,480,1.2,1.1,0.6,0.4,0.3\n"
    )
    params = {"lr": 0.0002, f"{folder.name}.lr": None, "note": "<script>alert(1)</script>"}
    if augmentation:
        kinds = {
            f"{folder.name}.augmentation.{kind}": 0.5 for kind in ("probability", *augmentation)
        }
        params |= kinds
    run = {
        "params": params, "pictures": 48, "epochs": 120.0, "steps": 480, "seconds": 100.0,
        "pictures_per_second": 2.0, "device_name": "a processor", "precision": "fp32",
        "latent_discriminator_parameters": 44257, "git_commit": "0123456789ab", "git_dirty": True,
    }  # fmt: skip
    save_json(folder / "run.json", run)
    save_scores(folder, LITE)
    save_inspection(folder, images, parts)


def save_scores(folder: Path, encoder: str, scores: tuple[str, ...] = SCORES) -> None:
    """Add the scores of a network by an encoder."""
    file, table = folder / "scores.json", pd.DataFrame({"epoch": [60, 120], "step": [240, 480]})
    values: dict[str, Any] = {"pictures": 24, "draws": 3}
    if file.exists():
        values, table = read_json(file), pd.read_csv(folder / "scores.csv")
    values[f"sha256_{encoder}"] = "57934424beef"
    curve = {score: 0.25 + index for index, score in enumerate(scores)} | {"fd": 123.44}
    for score, value in curve.items():
        name = metric_name(score, encoder)
        values |= {name: value, f"{name}_spread": 2.5, f"{name}_reals": value / 2}
        table[name] = value
    values[metric_name("fd_infinity", encoder)] = 98.76
    save_json(file, values)
    table.to_csv(folder / "scores.csv", index=False)


def save_seeds(folder: Path, network: Path) -> None:
    """Write results of three trainings of a network, and of one with other parameters."""
    folder.mkdir(parents=True)
    params = json.loads((network / "run.json").read_text())["params"]
    for seed, distance in enumerate([100.0, 110.0, 120.0, 900.0]):
        used = {**params, "seed": seed, "lr": 0.1 if distance == 900 else params["lr"]}
        result = {"network": network.name, "params_md5": digest(used)}
        save_json(folder / f"{seed}.json", {**result, metric_name("fd", LITE): distance})


def save_ablations(root: Path) -> None:
    """Write an ablation: three trainings of a baseline, one of another row, none of a third."""
    row = {"network": FULL, "question": "How wide?", "baseline": "base"}
    rows = [
        {"name": "base", "title": "the default", "network": FULL, "seeds": [1, 2, 3]},
        {**row, "name": "wide", "title": "wider", "seeds": [4], "meaning": "It helps."},
        {**row, "name": "later", "title": "not trained", "seeds": [5]},
    ]
    described = {"name": "ablations", "encoder": LITE, "page": "a.md", "title": "Ablations"}
    (root / "studies").mkdir()
    content = {**described, "introduction": "An introduction.", "rows": rows}
    (root / "studies/ablations.yaml").write_text(yaml.safe_dump(content))
    facts: dict[str, Any] = {"pictures": 24, "device_name": "a processor", "threads": 1}
    facts |= {"precision": "fp32", "seconds": 90.0, "pictures_seen": 1200, "checkerboard": 0.25}
    facts |= {f"fd_{LITE}_reals": 40.0}
    folder = root / "reports/ablations/ablations"
    folder.mkdir(parents=True)
    for name, distance in (("base-1", 100), ("base-2", 110), ("base-3", 120), ("wide-4", 60)):
        save_json(folder / f"{name}.json", {**facts, f"fd_{LITE}": float(distance)})
        Image.new("RGB", (16, 8), "red").save(folder / f"{name}.webp", lossless=True)


def save_inspection(folder: Path, images: np.ndarray, parts: tuple[str, ...]) -> None:
    """Write the inspection of a network."""
    rng = np.random.default_rng(0)
    shape = images.shape[1:]

    def sampled(*count: int) -> np.ndarray:
        return images[rng.integers(0, len(images), count)]

    arrays = {
        "copies_distances": np.array([9.0, 7.0]),
        "copies_to_own": np.array([1.0, 2.0, np.inf]),
        "copies_to_others": np.array([6.0, 7.0, 8.0]),
        "copies_generated": images[:2],
        "copies_neighbours": images[2:8].reshape(2, 3, *shape),
        "copies_neighbour_distances": np.arange(7.0, 13).reshape(2, 3),
        "latent_paths": sampled(6, 8),
        "latent_neighbourhoods": sampled(2, 3, 8),
        "latent_degrees": np.array([0, 5, 10, 20, 30, 45, 60, 90]),
        "latent_changes": np.array([0, 1, 2, 3, 4, 6, 7, 8]) / 100,
    }
    copies = {"copies": 0.125, "nearest_median": 8.0}
    copies |= {"nearest_median_other_species": 7.0, "nearest_median_same_species": 1.5}
    comparison: dict[str, float] = {"pictures": 24}
    for key in ("swd_32", "swd_16", "checkerboard", "lpips_diversity"):
        comparison |= {key: 0.125, f"{key}_reals": 0.0625}
    arrays |= {"comparison_spectrum": np.full(16, 0.5), "comparison_spectrum_reals": np.ones(16)}
    values: dict[str, Any] = {"copies": copies, "comparison": comparison}
    if "discriminator" in parts:
        values["discriminator"] = {**TASK, "filters": 96, "filters_likeness": 0.5}
        for kind, accuracy in (("trained", 0.66), ("untrained", 0.55), ("gain", 0.11)):
            values["discriminator"] |= probe(kind, accuracy)
        filters = rng.integers(0, 256, (64, 4, 4, 3), np.uint8)
        arrays |= {"filters_trained": filters, "filters_untrained": 255 - filters}
    if "reconstruction" in parts:
        names = ("picture_error", "picture_error_mirrored", "picture_error_of_mean")
        names += ("picture_error_unrelated", "latent_error", "latent_length")
        figures = {"pictures": 48, "trained_on": 12, "mirrored_trained_on": 0}
        figures |= {"nearer_than_mean": 0.125, **dict.fromkeys(names, 0.25)}
        values["reconstruction"] = figures
        kinds = ("picture", "mirrored", "mean", "unrelated", "latent")
        arrays |= {f"recon_{kind}_errors": rng.random(48) for kind in kinds}
        arrays |= {"recon_latent_lengths": np.full(48, 2.0), "recon_between": sampled(4, 8)}
        for part, count in (("spaced", 16), ("best", 8), ("worst", 8)):
            arrays[f"recon_{part}_originals"] = sampled(count)
            arrays[f"recon_{part}_reconstructions"] = sampled(count)
            arrays[f"recon_{part}_errors"] = rng.random(count)
    save_json(folder / "inspection.json", values)
    np.savez(folder / "inspection.npz", **arrays)


def probe(kind: str, accuracy: float, water: bool = True) -> dict[str, float]:
    """Return the scores of a linear probe."""
    scores = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2}
    if water:
        scores["water_auc"] = 0.75
    spreads = {f"{kind}_{score}_spread": 0.01 for score in scores}
    return {f"{kind}_{score}": value for score, value in scores.items()} | spreads


def save_types(folder: Path) -> None:
    """Write the classification of two types, and a third one with too few evolution lines."""
    facts: dict[str, Any] = {"encoder": LITE, **TASK, "commonest": "Water"}
    facts |= probe("commonest", 0.51, water=False)
    for kind, accuracy in (("colour", 0.81), ("shape", 0.52), ("pixels", 0.6), ("encoder", 0.7)):
        facts |= probe(kind, accuracy)
    save_json(folder / "types.json", facts)
    np.savez(
        folder / "types.npz",
        names=np.array(["Water", "Fire", "Ice"]),
        counts=np.array([70, 50, 3]),
        colours=np.array([[0, 16, 255], [255, 0, 0], [9, 9, 9]], np.uint8),
        means=np.full((3, 32, 32, 3), 200, np.uint8),
        silhouettes=np.full((3, 32, 32), 100, np.uint8),
        told_by_colour=np.array([0.9, 0.68, np.nan]),
    )


def save_json(file: Path, values: dict[str, Any]) -> None:
    """Write values, and the folder if it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
