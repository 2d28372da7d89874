"""The page in a real browser.

Needs NiceGUI and playwright, which `make test-play` installs, and Chromium.
"""

import base64
import shutil
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from pokegan.analysis.latent_space import spherical_path
from pokegan.cli.common import load_generator_at
from pokegan.cli.playground.directions import move, principal_directions
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.browser import PROGRAM
from tests.cli.conftest import CPU
from tests.cli.test_play import free_port
from tests.conftest import ROOT, TINY, set_params, start_process
from tests.models import save_model

pytest.importorskip("nicegui", reason="the playground's extra is not installed: make test-play")
sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: make test-play")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")

NAMES = ("dcgan819", "aegan")
# Runs the command and reports every address outside of this machine that the server connects to.
WATCHED = """
import os, sys
del os.environ["PYTEST_CURRENT_TEST"]  # puts nicegui into its own test mode
def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments
    else:
        return
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        print("REACHED", address, file=sys.stderr, flush=True)
sys.addaudithook(watch)
from pokegan.cli import main
main()
"""


class Playground:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        arguments = ("-c", WATCHED, "play", "--port", str(self.port), "--no-browser")
        self.process = start_process(folder, *arguments, PYTHONPATH=str(ROOT))
        self.output = ""

    def stop(self) -> str:
        if not self.output:
            self.process.send_signal(signal.SIGINT)
            self.output = self.process.communicate(timeout=30)[1]
        return self.output


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("playground")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    set_params(folder, TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in NAMES:
            save_model(folder / "models" / name, name)
    running = Playground(folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=PROGRAM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(playground: Playground, browser: Any) -> Iterator[Any]:
    """The open page; fails on errors in the console and on requests to other machines."""
    page = browser.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("console", lambda entry: errors.append(entry.text) if entry.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url[:200]))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url[:200]))
    until = monotonic() + 60
    while True:  # until the server is ready
        errors.clear()
        try:
            page.goto(playground.address)
            break
        except sync_api.Error:
            assert playground.process.poll() is None, playground.process.communicate()
            assert monotonic() < until
            sleep(0.2)
    page.get_by_alt_text("sample 24").wait_for()
    yield page
    page.close()
    assert errors == []
    assert all(url.startswith((playground.address, "data:", "blob:")) for url in requests)


def pixels(page: Any, name: str) -> np.ndarray:
    source = page.get_by_alt_text(name, exact=True).get_attribute("src")
    content = base64.b64decode(source.partition(",")[2])
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"))


def await_pixels(page: Any, name: str, expected: np.ndarray) -> None:
    """Wait until an image shows the expected pixels (R, R, 3)."""
    until = monotonic() + 10
    while not np.array_equal(pixels(page, name), expected):
        assert monotonic() < until, f"{name} does not show the expected pixels"
        page.wait_for_timeout(50)


def slide(page: Any, name: str, *keys: str) -> None:
    thumb = page.get_by_role("slider", name=name, exact=True).locator("[tabindex]")
    thumb.focus()
    for key in keys:
        thumb.press(key)


def generate(playground: Playground, z: torch.Tensor) -> np.ndarray:
    generator, _ = load_generator_at(playground.folder / "models/dcgan819", CPU)
    return generate_images(generator, z).numpy()


def upload(page: Any, content: bytes) -> None:
    """Upload a file; a page that is closed before the response arrives reports a failed request."""
    with page.expect_request_finished(lambda request: "/upload/" in request.url):
        page.locator("input[type=file]").set_input_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": content}
        )


def choose(page: Any, name: str) -> None:
    page.get_by_label("Network").click()
    page.get_by_role("option", name=name).click()


def test_samples_are_those_of_pokegan_sample(playground: Playground, page: Any) -> None:
    choose(page, "models/dcgan819")
    expected = generate(playground, seeded_latents(24, 8, 1))
    for number in (1, 24):
        await_pixels(page, f"sample {number}", expected[number - 1])
    page.get_by_label("Seed", exact=True).first.fill("5")
    await_pixels(page, "sample 1", generate(playground, seeded_latents(1, 8, 5))[0])


def test_sliders_select_count_truncation_and_snapshot(playground: Playground, page: Any) -> None:
    choose(page, "models/dcgan819")
    slide(page, "Images", "ArrowRight")
    page.get_by_alt_text("sample 25").wait_for()
    slide(page, "Images", *["ArrowLeft"] * 2)
    page.get_by_alt_text("sample 24").wait_for(state="detached")
    slide(page, "Truncation", *["ArrowLeft"] * 20)
    page.get_by_text("± 1.0").wait_for()
    await_pixels(page, "sample 2", generate(playground, seeded_latents(23, 8, 1, 1.0))[1])
    slide(page, "Training", "ArrowLeft")
    page.get_by_text("step 2, epoch 0.5").wait_for()
    await_pixels(page, "sample 2", np.full((32, 32, 3), 128, np.uint8))


def test_a_slider_moves_an_image_and_reset_restores_it(playground: Playground, page: Any) -> None:
    choose(page, "models/dcgan819")
    z = seeded_latents(24, 8, 1)[2:3]
    page.get_by_alt_text("sample 3", exact=True).click()
    page.get_by_text("original: sample 3 of seed 1").wait_for()
    original = generate(playground, z)[0]
    await_pixels(page, "moved", original)
    generator, _ = load_generator_at(playground.folder / "models/dcgan819", CPU)
    directions, shares = principal_directions(generator, 8)
    slide(page, f"1 · {shares[0]:.1%}", *["ArrowRight"] * 30)
    slide(page, f"3 · {shares[2]:.1%}", *["ArrowLeft"] * 5)
    moved = generate(playground, move(z, directions, [3.0, 0, -0.5]))[0]
    assert (moved != original).any()
    await_pixels(page, "moved", moved)
    await_pixels(page, "original", original)
    page.get_by_role("button", name="Reset").click()
    await_pixels(page, "moved", original)


def test_interpolation_between_two_seeds(playground: Playground, page: Any) -> None:
    choose(page, "models/dcgan819")
    page.get_by_role("tab", name="Interpolation").click()
    ends = [seeded_latents(1, 8, seed)[0] for seed in (1, 2)]
    images = generate(playground, spherical_path(*ends, np.array([0, 0.5, 0.7, 1])))
    for name, pixels_at in zip(("first", "between", "second"), images[[0, 1, 3]], strict=True):
        await_pixels(page, name, pixels_at)
    slide(page, "Position", *["ArrowRight"] * 20)
    await_pixels(page, "between", images[2])


def test_a_sketch_and_a_file_are_reconstructed(
    playground: Playground, page: Any, drawings: np.ndarray
) -> None:
    page.get_by_role("tab", name="Your image").click()
    choose(page, "models/dcgan819")
    page.get_by_text("This network has no encoder").wait_for()
    choose(page, "models/aegan")
    page.get_by_label("red").click()
    box = page.get_by_label("canvas").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 180, steps=5)
    page.mouse.up()
    page.get_by_text("reconstruction: mean absolute error 0.").wait_for()
    drawn = pixels(page, "input")
    assert (abs(drawn.astype(int) - (0xD3, 0x3F, 0x49)).max(axis=2) < 8).mean() > 0.03

    content = BytesIO()
    Image.fromarray(drawings[0]).save(content, format="PNG")
    before = page.get_by_alt_text("input").get_attribute("src")
    upload(page, content.getvalue())
    page.wait_for_function(
        "before => document.querySelector('img[alt=input]').src != before", arg=before
    )
    page.get_by_role("button", name="Move it").click()
    page.get_by_text("original: your image").wait_for()

    page.get_by_role("tab", name="Your image").click()
    upload(page, b"no image")
    page.get_by_text("a.png cannot be read as an image").wait_for()


def test_the_page_serves_and_contacts_this_machine_only(playground: Playground, page: Any) -> None:
    page.close()
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(playground.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    output = playground.stop()
    assert "The playground is at" in output
    assert "REACHED" not in output
    assert output.count("\n") == 1
    assert playground.process.returncode == 0
