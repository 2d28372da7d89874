from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from PIL import Image

from stages.pictures.animation import at_most
from stages.pictures.charts import POINTS
from stages.pictures.grids import grid, to_image
from stages.pictures.time_lapses import landmarks
from stages.scoring.names import full_name
from tests.browser import NAMES, PROGRAM, Browser, browser
from tests.conftest import Stage, assert_one_sentence, set_params
from tests.pictures.stories import LITE, save_copies, save_probe, save_types
from tests.pictures.test_latent_space import save_latent_space

SVG = '<svg class="pipeline" width="50" height="20"><text>download</text></svg>'


@pytest.fixture
def story(workspace: Path, drawings: np.ndarray) -> Path:
    folder = workspace / "reports" / "aegan"
    folder.mkdir(parents=True)
    samples = np.stack([drawings[:16], drawings[16:32], drawings[32:]])
    np.savez(folder / "samples.npz", epochs=np.array([50.0, 100.0, 120.0]), pictures=samples)
    header = "epoch,step,discriminator_loss,generator_loss,d_real,d_fake,diversity\n"
    rows = "60,240,1.4,0.8,0.5,0.5,0.1\n120,480,1.2,1.1,0.6,0.4,0.3\n"
    (folder / "history.csv").write_text(header + rows)
    facts = {
        "params": {"lr": 0.0002, "aegan.lr": None, "note": "<script>alert(1)</script>"},
        "pictures": 48,
        "epochs": 120.0,
        "steps": 480,
        "seconds": 100.0,
        "pictures_per_second": 2.0,
        "device_name": "a processor",
        "precision": "fp32",
        "latent_discriminator_parameters": 44257,
        "git_commit": "0123456789abcdef",
        "git_dirty": True,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    scores: dict[str, object] = {"encoder": LITE, "encoder_sha256": "57934424beef"}
    scores |= {"pictures": 24, "draws": 3, "legacy_128_fd_effnet_lite0": 567.8}
    kinds = ("fd", "kd", "cs", "precision", "recall", "near_duplicates")
    figures = {f"{kind}_{LITE}": 0.25 + number for number, kind in enumerate(kinds)}
    figures[f"fd_{LITE}"] = 123.44
    for key, value in figures.items():
        scores |= {key: value, f"{key}_spread": 2.5, f"{key}_reals": value / 2}
    (folder / "scores").mkdir()
    (folder / f"scores/{LITE}.json").write_text(json.dumps(scores))
    curve = {kind: figures[f"{kind}_{LITE}"] for kind in kinds}
    told = [{"epoch": epoch, "step": 4 * epoch, **curve} for epoch in (60, 120)]
    pd.DataFrame(told).to_csv(folder / f"scores/{LITE}.csv", index=False)
    save_copies(folder, drawings)
    save_probe(folder)
    save_types(folder.parent / "types.json")
    (workspace / "pipeline.svg").write_text(SVG)
    np.save(workspace / "reals.npy", drawings)
    np.save(workspace / "enlarged.npy", np.concatenate([drawings] * 3))
    to_image(grid(drawings, 8)).save(workspace / "sheet.png")
    return folder


@pytest.fixture
def render(stage: Stage, story: Path) -> Callable[..., Result]:
    """Render r/index.html and r/grids from NAMES, the networks' folders below reports/."""

    def call(*names: str) -> Result:
        told = [f"reports/{name}" for name in names or ("aegan",)]
        data = ("--reals", "reals.npy", "--sheet", "sheet.png", "--enlarged", "enlarged.npy")
        data += ("--types", "reports/types.json", "reports/types.npz", "--pipeline", "pipeline.svg")
        return stage("report", "r/index.html", "r/grids", *told, *data)

    return call


def page() -> str:
    return Path("r/index.html").read_text()


def without_scripts() -> str:
    return re.sub(r"<script>.*?</script>", "", page(), flags=re.DOTALL)


def test_a_page_shows_what_is_known_and_asks_nobody(render: Callable[..., Result]) -> None:
    made = render()
    assert made.exit_code == 0, made.output
    for words in (
        "123.4",
        "± 2.5",
        "true: 61.7",
        "1250.0",
        "567.8",
        "1.7 min",
        "0123456789",
        "a processor, fp32",
        "+ changes",
        "parameters of the latent discriminator",
        "44,257",
        "<code>….lr</code></th>\n<td><code>null</code>",
        "epoch 120 · step 480",
        "Not to be compared",
        "<strong>12.5 %</strong> are nearer to a training picture",
        SVG,
    ):
        assert words in page()
    assert "<script>alert(1)" not in page()
    assert set(re.findall(r'(?:src|href)="([^",#]*)', without_scripts())) == {
        "",
        "data:",
        "data:image/webp;base64",
        "grids/aegan.webp",
        "grids/aegan.png",
        "../data/sheet.png",
    }
    assert sorted(p.name for p in Path("r/grids").iterdir()) == [
        "aegan.png",
        "aegan.webp",
        "aegan_progress.png",
        "true.png",
    ]


def test_the_same_bytes_again(render: Callable[..., Result]) -> None:
    def written() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in Path("r").rglob("*") if p.is_file()}

    render()
    first = written()
    render()
    assert written() == first
    assert len(first) == 5


def test_the_animation_shows_the_samples_in_their_order(
    render: Callable[..., Result], story: Path
) -> None:
    render()
    with np.load(story / "samples.npz") as samples, Image.open("r/grids/aegan.webp") as moving:
        assert moving.n_frames == 3
        times = []
        for number, pictures in enumerate(samples["pictures"]):
            moving.seek(number)
            shown = np.asarray(moving.convert("RGB")).astype(int)
            true = grid(pictures, 8)
            # Compression costs something, another moment's picture far more.
            assert np.abs(shown[: len(true)] - true).mean() < 8
            assert (shown[len(true) :] < 128).any()
            times.append(moving.info["duration"])
        assert times == [400, 400, 2400]


def test_large_pictures_are_averaged_for_the_page() -> None:
    pictures = np.arange(2 * 128 * 128 * 3, dtype=np.uint32).astype(np.uint8)
    pictures = pictures.reshape(2, 128, 128, 3)
    small = at_most(pictures, 64)
    assert small.shape == (2, 64, 64, 3)
    assert small[1, 5, 6, 2] == pictures[1, 10:12, 12:14, 2].mean().round()
    assert at_most(small, 64) is small
    assert at_most(small, 48) is small


@pytest.mark.parametrize(
    ("epochs", "found"),
    [
        ([5.0, 99.9], []),
        ([100.0], [(100, 0, 0.0)]),
        ([50.0, 90.0, 210.0], [(100, 1, 0.542), (200, 2, 0.958)]),
    ],
)
def test_landmarks_lie_between_the_samples(
    epochs: list[float], found: list[tuple[int, int, float]]
) -> None:
    marks = landmarks(np.array(epochs))
    assert [(m["epoch"], m["frame"], round(m["place"], 3)) for m in marks] == found


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "scores/effnet_lite0.json",
        "scores/effnet_lite0.csv",
        "history.csv",
        "samples.npz",
    ],
)
def test_a_broken_part_is_named(render: Callable[..., Result], story: Path, name: str) -> None:
    (story / name).write_text("" if name.endswith(".csv") else "{]")
    assert_one_sentence(render(), "reports/aegan cannot be read")
    assert not Path("r/index.html").exists()


@pytest.mark.parametrize("name", ["run.json", "history.csv", "samples.npz"])
def test_without_any_network_there_is_no_page(
    render: Callable[..., Result], story: Path, name: str
) -> None:
    (story / name).unlink()
    assert_one_sentence(render(), f"reports/aegan/{name} is missing; run `dvc repro`")
    assert not Path("r/index.html").exists()


def test_a_network_that_is_not_trained_leaves_a_gap(render: Callable[..., Result]) -> None:
    made = render("dcgan819", "aegan")
    assert made.exit_code == 0, made.output
    assert "Not trained yet: reports/dcgan819/run.json is missing" in page()
    assert not Path("r/grids/dcgan819.png").exists()


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_scores_that_are_not_there_leave_a_gap(
    render: Callable[..., Result], story: Path, kind: str
) -> None:
    other = story.with_name("dcgan819")
    shutil.copytree(story, other)
    (story / f"scores/{LITE}.{kind}").unlink()
    made = render("aegan", "dcgan819")
    assert made.exit_code == 0, made.output
    assert page().count("not scored") == 1
    assert f"aegan: reports/aegan/scores/{LITE}.{kind} is missing" in page()
    shutil.rmtree(other)
    assert render().exit_code == 0
    assert f"No network has been scored by {LITE} yet" in page()


def test_latent_spaces_are_shown_and_lacking_ones_named(
    render: Callable[..., Result], story: Path
) -> None:
    shutil.copytree(story, story.with_name("dcgan819"))
    save_latent_space(story)
    made = render("dcgan819", "aegan")
    assert made.exit_code == 0, made.output
    shown = without_scripts().partition('id="latent"')[2].partition('id="features"')[0]
    assert "Not explored yet: reports/dcgan819/latent_space.npz is missing" in shown
    for words in (
        "aegan: from pictures to latents and back",
        "trained on 12 of the 48 pictures",
        "none of their mirror images was among",
        "<strong>6 of 48</strong> come back nearer",
        "do not undo each other yet",
        "changed by 0.080 on average",
        "at 10° by 25 % of that, at 30° by 50 % of that.",
    ):
        assert words in shown
    assert shown.count("<img") == 2 + 2 + 1 + 1 + 1
    assert set(re.findall(r'id="([^"]*)"', shown)) == {
        "latent-aegan-pictures",
        "latent-aegan-latents",
    }
    (story / "latent_space.npz").write_text("{]")
    assert_one_sentence(render(), "reports/aegan/latent_space.npz cannot be read")


@pytest.mark.parametrize("name", ["reals.npy", "enlarged.npy", "sheet.png"])
def test_a_data_set_that_is_missing_is_named(render: Callable[..., Result], name: str) -> None:
    Path(name).unlink()
    assert_one_sentence(render(), f"{name} is missing", "run `dvc repro`")
    assert not Path("r/index.html").exists()


def test_a_graph_that_is_missing_is_named(render: Callable[..., Result]) -> None:
    Path("pipeline.svg").unlink()
    assert_one_sentence(render(), "pipeline.svg is missing", "git checkout pipeline.svg")
    assert not Path("r/index.html").exists()


def test_a_network_that_is_not_matched_leaves_a_gap(
    render: Callable[..., Result], story: Path
) -> None:
    (story / "copies.npz").unlink()
    made = render()
    assert made.exit_code == 0, made.output
    assert "Not matched yet: reports/aegan/copies.npz is missing" in page()


def test_scores_that_lack_one_are_named(render: Callable[..., Result], story: Path) -> None:
    file = story / f"scores/{LITE}.json"
    scores = json.loads(file.read_text())
    del scores[f"recall_{LITE}_reals"]
    file.write_text(json.dumps(scores))
    assert_one_sentence(render(), "aegan", f"lack 'recall_{LITE}_reals'")


def test_each_network_has_its_own_number_of_pictures(
    render: Callable[..., Result], story: Path
) -> None:
    other = story.with_name("dcgan819")
    shutil.copytree(story, other)
    file = other / f"scores/{LITE}.json"
    file.write_text(file.read_text().replace('"pictures": 24', '"pictures": 17'))
    assert render("aegan", "dcgan819").exit_code == 0
    (cells,) = re.findall(r"pictures a side</th>(.*?)</tr>", page(), flags=re.DOTALL)
    assert re.findall(r"\d+", cells) == ["24", "17"]


@pytest.mark.parametrize("encoders", [["dinov2"], ["inception", LITE]])
def test_other_encoders_are_called_by_their_own_names(
    render: Callable[..., Result], story: Path, encoders: list[str]
) -> None:
    """DINOv2 has no classes; FID stands only where Inception computed it."""
    known = json.loads((story / f"scores/{LITE}.json").read_text())
    curve = pd.read_csv(story / f"scores/{LITE}.csv")
    for encoder in encoders:
        scores = {"encoder_sha256": "0", "pictures": 24, "draws": 3}
        lost = ["cs"] if encoder == "dinov2" else []
        for score in set(curve.columns) - {"epoch", "step", *lost}:
            for kind in ("", "_spread", "_reals"):
                scores[full_name(score, encoder) + kind] = known[f"{score}_{LITE}{kind}"]
        (story / f"scores/{encoder}.json").write_text(json.dumps(scores))
        curve.drop(columns=lost).to_csv(story / f"scores/{encoder}.csv", index=False)
    set_params(story.parent.parent, {"evaluate.encoders": encoders})
    made = render()
    assert made.exit_code == 0, made.output
    titles = re.findall(r'<th scope="row">([^<]*)</th>', page())
    assert ("FID" in titles) == ("inception" in encoders)
    assert ("classifier score" in titles) == (LITE in encoders)


def augmented(story: Path, drawings: np.ndarray, kinds: list[str], **examples: np.ndarray) -> None:
    """STORY, as if its training had been augmented by KINDS."""
    run = json.loads((story / "run.json").read_text())
    run["params"][f"{story.name}.augmentation"] = kinds
    (story / "run.json").write_text(json.dumps(run))
    samples = {"epochs": np.array([1.0, 2.0]), "pictures": np.stack([drawings[:16]] * 2)}
    np.savez(story / "samples.npz", **samples, **examples)


def test_what_the_discriminator_sees_is_shown(
    render: Callable[..., Result], story: Path, drawings: np.ndarray
) -> None:
    """Of a network with augmentation; of one without, and of one that knows none, a sentence."""
    for name in ("dcgan819", "dcgan14000"):
        shutil.copytree(story, story.with_name(name))
    augmented(story.with_name("dcgan819"), drawings, [])
    examples = {"true": drawings[:8], "seen": 255 - np.stack([drawings[8:16]] * 3)}
    augmented(story, drawings, ["cutout", "translation"], **examples)
    made = render("dcgan819", "aegan", "dcgan14000")
    assert made.exit_code == 0, made.output
    off = (
        "The discriminators of dcgan819, dcgan14000 see pictures as they are; augmentation is off ("
    )
    assert page().count(off) == 1
    assert "D(x) and D(G(z)) are of the changed pictures: aegan." in page()
    assert "<code>dcgan819.augmentation</code>, <code>dcgan14000.augmentation</code>)" in page()
    assert "moved by up to an eighth of its side; covered by a white square" in page()
    assert "brighter or darker" not in page()
    assert "whiter than white" not in page()
    (shown,) = re.findall(r'base64,([^"]*)" alt="A row of true pictures', page())
    with Image.open(BytesIO(base64.b64decode(shown))) as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    expected = grid(np.concatenate([examples["true"], *examples["seen"]]), 8)
    assert np.abs(found - expected).mean() < 8
    assert len(re.findall(r"<span>(true|seen)</span>", page())) == 4


def test_without_augmentation_there_is_a_sentence(render: Callable[..., Result]) -> None:
    assert render().exit_code == 0
    sentence = "The discriminator of aegan sees pictures as they are; augmentation is off (<code>"
    assert f"{sentence}aegan.augmentation</code>)." in page()
    assert "of the changed pictures" not in page()
    assert "A row of true pictures" not in page()


def test_examples_that_lack_are_named(
    render: Callable[..., Result], story: Path, drawings: np.ndarray
) -> None:
    augmented(story, drawings, ["color"], true=drawings[:8])
    assert_one_sentence(render(), "aegan: samples.npz lacks 'seen'", "dvc repro -f -s train_aegan")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed, which the page would be opened in")
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


STILL = {"prefers_reduced_motion": "reduce"}
SHOWN = """[...document.querySelectorAll(".player .film img")].map(
    (each) => getComputedStyle(each).display !== "none")"""
MOMENT = 'document.querySelector(".moment").textContent'
PLAYING = """document.querySelector(".play").getAttribute("aria-label").startsWith("Stop")"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_whole_page(
    chromium: Browser, render: Callable[..., Result], story: Path, width: int, scheme: str
) -> None:
    """No error, nothing fetched, nothing wider than the window, every curve with its points.

    Of two networks one is not trained.
    """
    save_latent_space(story)
    render("aegan", "dcgan819")
    chromium.open(Path("r/index.html"), width, prefers_color_scheme=scheme, **STILL)
    chromium.run("drawn.then(() => true)")
    assert chromium.complaints == []
    assert chromium.requests == [Path("r/index.html").absolute().as_uri()]
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("[...document.images].every((each) => each.naturalWidth > 0)")
    sound = """[...document.querySelectorAll(".chart")].map((chart) => {
        const { width, height, right } = chart.querySelector("svg").getBoundingClientRect();
        const points = chart.querySelectorAll(".mark-symbol path").length;
        const lines = chart.querySelectorAll(".mark-line path").length;
        return [lines, points, width > 200, height > 200, right <= innerWidth];
    })"""
    places = chromium.run('[...document.querySelectorAll(".chart")].map((chart) => chart.id)')
    charts = dict(zip(places, chromium.run(sound), strict=True))
    # Of a network, of true pictures of the same species, and of another.
    assert charts.pop("copies-aegan")[0] == 3
    # Each of the two points has a halo, and so has each of a line of shares.
    curves = [[1, 2 * 2, True, True, True]] * 11
    shares = [[lines, lines * POINTS, True, True, True] for lines in (4, 1)]
    assert list(charts.values()) == curves + shares
    ground = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_curves_tell_their_values(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    place = """drawn.then(() => {
        const point = document.querySelector(".chart .mark-symbol path:last-of-type");
        point.scrollIntoView({ block: "center" });
        const { x, y, width, height } = point.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
    })"""
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", **chromium.run(place))
    told = chromium.run('document.querySelector(".vg-tooltip.visible")?.textContent')
    assert "aegan" in told
    assert "120" in told
    assert "123.440" in told


def test_the_slider_moves_the_picture(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    assert chromium.run(SHOWN) == [False, False, True]
    chromium.run('document.querySelector(".player input").focus()')
    chromium.press("ArrowLeft", windowsVirtualKeyCode=37)
    assert chromium.run(SHOWN) == [False, True, False]
    assert chromium.run(MOMENT) == "epoch 100 · step 400"
    chromium.press("Home", windowsVirtualKeyCode=36)
    assert chromium.run(SHOWN) == [True, False, False]
    said = 'document.querySelector(".player input").getAttribute("aria-valuetext")'
    assert chromium.run(said) == chromium.run(MOMENT) == "epoch 50 · step 200"
    chromium.run('document.querySelector(".landmarks button").click()')
    assert chromium.run(SHOWN) == [False, True, False]


def test_space_plays_to_the_end_and_stops(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    assert not chromium.run(PLAYING)
    chromium.run('document.querySelector(".player input").focus()')
    space = {"windowsVirtualKeyCode": 32, "text": " "}
    chromium.press(" ", **space)
    assert chromium.run(PLAYING)
    assert chromium.run(SHOWN) != [False, False, True]
    chromium.press(" ", **space)
    assert not chromium.run(PLAYING)
    chromium.press(" ", **space)
    ended = f"""new Promise((done) => {{
        const look = () => ({PLAYING} ? setTimeout(look, 50) : done(true));
        look();
    }})"""
    assert chromium.run(ended)
    assert chromium.run(SHOWN) == [False, False, True]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_it_plays_by_itself_unless_people_want_less_motion(
    chromium: Browser, render: Callable[..., Result], motion: str
) -> None:
    render()
    chromium.open(Path("r/index.html"), prefers_reduced_motion=motion)
    chromium.run('document.querySelector(".player").scrollIntoView()')
    chromium.run("new Promise((done) => setTimeout(done, 300))")
    assert chromium.run(PLAYING) == (motion == "no-preference")


def test_paper_has_the_last_picture(chromium: Browser, render: Callable[..., Result]) -> None:
    render()
    chromium.open(Path("r/index.html"), **STILL)
    chromium.run('document.querySelector(".landmarks button").click()')
    assert chromium.run(SHOWN) == [False, True, False]
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.run(SHOWN) == [False, False, True]
    height = 'document.querySelector(".controls").getBoundingClientRect().height'
    assert chromium.run(height) == 0
    chromium.call("Page.printToPDF")
    assert chromium.run(MOMENT) == "epoch 120 · step 480"


def test_without_scripts_the_last_picture_stands(
    chromium: Browser, render: Callable[..., Result]
) -> None:
    render()
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(Path("r/index.html"))
        assert chromium.run(SHOWN) == [False, False, True]
        assert chromium.run('document.querySelector(".controls").hidden')
        assert "JavaScript, which is off" in chromium.run("document.body.innerText")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
