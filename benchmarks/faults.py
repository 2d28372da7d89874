"""Attack the stages with bad inputs, and with SIGKILL at random moments.

python -m benchmarks.faults inputs           # one stage per bad input: exit code, message, remains
python -m benchmarks.faults kills --count 50 # `dvc repro` after each: are the outputs the same?

Both print a table for benchmarks/README.md, and end with exit code 1 if anything fails.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from tests.conftest import ROOT, TINY, commit, environment, make_repository, run, set_params

PREPARE = (
    "prepare pokemon819 data/raw/pictures.zip data/pokemon819.npy data/pokemon819.csv "
    "data/pokemon819_left_out.csv"
)
DOWNLOAD = "download data/raw/pictures.zip"
SET = "data/pokemon819.npy"
AUGMENT = "augment data/pokemon819.npy data/pokemon2457.npy"
TRAIN = "train dcgan819 data/pokemon2457.npy models/dcgan819 reports/networks/dcgan819"
OWN = {
    "download.source": "folder",
    "download.folder": "pictures",
    "pokemon819.count": None,
    "prepare.unreadable": 0.0,
}
Case = tuple[str, Callable[[Path], object], str]  # title, change of the workspace, stage


def png(width: int, height: int, data: bytes) -> bytes:
    """Return a PNG file with a header of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def picture(name: str | bytes, content: bytes) -> Callable[[Path], object]:
    """Return a change that adds a file to the folder of pictures."""
    return lambda folder: (folder / "pictures" / os.fsdecode(name)).write_bytes(content)


def params(**values: Any) -> Callable[[Path], object]:
    """Return a change of params.yaml; a double underscore stands for a dot."""
    return lambda folder: set_params(
        folder, {key.replace("__", "."): value for key, value in values.items()}
    )


def text(file: str, content: str | bytes) -> Callable[[Path], object]:
    """Return a change that replaces a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / file).write_bytes(data)


def archive(**entries: bytes) -> Callable[[Path], object]:
    """Return a change that replaces the archive; underscores of the names become slashes."""

    def change(folder: Path) -> None:
        with zipfile.ZipFile(folder / "data/raw/pictures.zip", "w", zipfile.ZIP_DEFLATED) as target:
            for name, content in entries.items():
                target.writestr(name.replace("__", "/"), content)

    return change


def array(file: str, values: np.ndarray) -> Callable[[Path], object]:
    """Return a change that replaces an array."""
    return lambda folder: np.save(folder / file, values)


def cut(file: str, size: int) -> Callable[[Path], object]:
    """Return a change that truncates a file."""
    return lambda folder: os.truncate(folder / file, size)


def link(name: str, target: str) -> Callable[[Path], object]:
    """Return a change that adds a link to the folder of pictures."""
    return lambda folder: (folder / "pictures" / name).symlink_to(target)


def touch(place: str, seconds: int) -> Callable[[Path], object]:
    """Return a change that sets the time of all files in a folder, as a wrong clock does."""

    def change(folder: Path) -> None:
        for file in (folder / place).iterdir():
            os.utime(file, (seconds, seconds))

    return change


def full_disk(folder: Path) -> None:
    """Mount a file system of 64 kB at data/ that holds the set only."""
    content = (folder / "data/pokemon819.npy").read_bytes()
    mount(folder / "data", "size=180k")
    (folder / "data/pokemon819.npy").write_bytes(content)


def read_only(folder: Path) -> None:
    """Mount data/ read-only."""
    content = (folder / "data/pokemon819.npy").read_bytes()
    mount(folder / "data", "size=9m")
    (folder / "data/pokemon819.npy").write_bytes(content)
    subprocess.run(["mount", "-o", "remount,ro", str(folder / "data")], check=True)


def mount(place: Path, options: str) -> None:
    """Mount a file system in memory, which needs root."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True)


def database(statement: str) -> Callable[[Path], object]:
    """Return a change of MLflow's database."""

    def change(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
            connection.execute(statement)

    return change


def cases() -> list[Case]:
    """Return the bad inputs."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    black = png(9000, 9000, bytes(9000 * 27001))
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + former] * 9)}]\n"
        for former, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
    entity = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg.format("&x;")
    unknown = "vars: [{networks: {a: {gan: x, pictures: y, reference: z, lr: lr}}}]"
    newer = "UPDATE alembic_version SET version_num = 'future'"
    zeros = bytes(400_000_000)
    none, large = (np.zeros(shape, np.uint8) for shape in ((0, 32, 32, 3), (9, 48, 48, 3)))
    return [
        ("picture: empty file", picture("a.png", b""), "own"),
        ("picture: truncated", picture("a.png", png(64, 64, noise.tobytes())[:90]), "own"),
        ("picture: text named .png", picture("a.png", b"hello"), "own"),
        ("picture: 3.6 billion pixels", picture("a.png", png(60_000, 60_000, b"")), "own"),
        ("picture: 81 million pixels", picture("a.png", black), "own"),
        ("picture: no image, no suffix", picture("notes", b"hello"), "own"),
        ("picture: HEIC", picture("a.heic", b"\0\0\0\x18ftypheic"), "own"),
        ("picture: SVG without a shape", picture("a.svg", svg.format("").encode()), "own"),
        ("picture: SVG that is no XML", picture("a.svg", b"<svg"), "own"),
        ("picture: SVG with an external entity", picture("a.svg", entity.encode()), "own"),
        ("picture: name that is not UTF-8", picture(b"caf\xe9.png", png(8, 8, bytes(200))), "own"),
        ("picture: name with a line break", picture("a\nb.png", png(8, 8, bytes(200))), "own"),
        ("picture: name of 255 bytes", picture("x" * 251 + ".png", png(8, 8, bytes(200))), "own"),
        ("picture: link out of the folder", link("a.png", "/etc/passwd"), "own"),
        ("picture: link to a folder outside", link("a", "/etc"), "own"),
        ("picture: link to itself", link("a.png", "a.png"), "own"),
        ("picture: link to the folder above it", link("a", "../pictures"), "own"),
        ("picture: link to nothing", link("a.png", "nowhere.png"), "own"),
        ("picture: named pipe", lambda folder: os.mkfifo(folder / "pictures/a.png"), "own"),
        ("folder: does not exist", params(download__folder="nowhere"), "own"),
        ("folder: is a file", params(download__folder="params.yaml"), "own"),
        ("folder: is empty", lambda folder: empty(folder / "pictures"), "own"),
        ("archive: missing", lambda folder: (folder / "data/raw/pictures.zip").unlink(), PREPARE),
        ("archive: no zip", text("data/raw/pictures.zip", "hello"), PREPARE),
        ("archive: truncated", cut("data/raw/pictures.zip", 3000), PREPARE),
        ("archive: without pictures", archive(a=b"x"), PREPARE),
        ("archive: path that leaves it", archive(**{"pictures__..__..__x.png": b"x"}), PREPARE),
        ("archive: an entry of 400 MB of zeros", archive(**{"pictures__x.png": zeros}), PREPARE),
        ("params.yaml: empty", text("params.yaml", ""), AUGMENT),
        ("params.yaml: binary", text("params.yaml", b"\xff\xfe\0\x01"), AUGMENT),
        ("params.yaml: a list", text("params.yaml", "- 1\n- 2\n"), AUGMENT),
        ("params.yaml: a tab", text("params.yaml", "seed:\t1\n\tx: 2\n"), AUGMENT),
        ("params.yaml: nested aliases", text("params.yaml", bomb), AUGMENT),
        ("params.yaml: unknown key", params(augment__hue=0.1), AUGMENT),
        ("params.yaml: negative seed", params(seed=-1), AUGMENT),
        ("params.yaml: seed of 100 digits", params(seed=10**99), AUGMENT),
        ("params.yaml: text for a number", params(augment__contrast="much"), AUGMENT),
        ("params.yaml: NaN", params(augment__contrast=float("nan")), AUGMENT),
        ("params.yaml: infinity", params(lr=float("inf")), AUGMENT),
        ("params.yaml: ${lr}", params(dcgan819__lr="${lr}"), AUGMENT),
        ("params.yaml: null for a section", params(augment=None), AUGMENT),
        ("dvc.yaml: without vars", text("dvc.yaml", "stages: {}\n"), AUGMENT),
        ("dvc.yaml: unknown family", text("dvc.yaml", unknown), AUGMENT),
        ("limits: batches of 10,000", params(dcgan819__batch_size=10_000), TRAIN),
        ("limits: latent and width of 1", params(dcgan819__latent_dim=1, dcgan819__width=1), TRAIN),
        ("limits: learning rate of 1e30", params(lr=1e30), TRAIN),
        ("limits: a millionth of an epoch", params(dcgan819__epochs=1e-6), TRAIN),
        ("limits: a million snapshots", params(dcgan819__snapshots=1_000_000), TRAIN),
        ("array: truncated", cut(SET, 5000), AUGMENT),
        ("array: float", array(SET, np.zeros((9, 32, 32, 3))), AUGMENT),
        ("array: wrong shape", array(SET, np.zeros((9, 32), np.uint8)), AUGMENT),
        ("array: without a row", array(SET, none), AUGMENT),
        ("array: pickled objects", array(SET, np.array([{}], object)), AUGMENT),
        ("array: another resolution", array("data/pokemon2457.npy", large), TRAIN),
        ("clock: pictures of 1970", touch("pictures", 0), "own"),
        ("clock: pictures of 2100", touch("pictures", 4_102_444_800), "own"),
        ("clock: an input of 2100", touch("data", 4_102_444_800), AUGMENT),
        ("output: a folder of its name", replace_by_folder, AUGMENT),
        ("output: full disk", full_disk, AUGMENT),
        ("output: read-only folder", read_only, AUGMENT),
        ("store: text instead of a database", text("mlflow.db", "hello"), AUGMENT),
        ("store: of a newer MLflow", database(newer), AUGMENT),
        ("store: without its tables", database("DROP TABLE runs"), AUGMENT),
    ]  # fmt: skip


def replace_by_folder(folder: Path) -> None:
    """Put a folder in the place of an output."""
    (folder / "data/pokemon2457.npy").unlink()
    (folder / "data/pokemon2457.npy").mkdir()


def empty(folder: Path) -> None:
    """Remove a folder's content."""
    shutil.rmtree(folder)
    folder.mkdir()


def make_workspace(folder: Path, store: Path) -> None:
    """Write a folder with pictures, an archive and arrays for the stages."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("stages", "pokegan"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(store, folder / "mlflow.db")
    set_params(folder, {**TINY, **OWN})
    (folder / "pictures").mkdir()
    (folder / "data/raw").mkdir(parents=True)
    y, x = np.mgrid[:32, :32]
    images = np.full((24, 32, 32, 3), 255, np.uint8)
    for number, image in enumerate(images):
        image[(y - 16) ** 2 + (x - 16) ** 2 < (4 + number / 4) ** 2] = 10 * number
        Image.fromarray(image).save(folder / f"pictures/{number}.png")
    np.save(folder / "data/pokemon819.npy", images)
    np.save(folder / "data/pokemon2457.npy", np.repeat(images, 3, axis=0))
    with zipfile.ZipFile(folder / "data/raw/pictures.zip", "w") as target:
        for file in sorted((folder / "pictures").iterdir()):
            target.write(file, f"pictures/{file.name}")


def call(folder: Path, arguments: str) -> tuple[int, str]:
    """Run a stage; return its exit code and its output."""
    command = [sys.executable, "-m", *f"stages.{arguments}".split()]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return 124, "no end within two minutes"
    return done.returncode, done.stdout + done.stderr


def outputs(folder: Path) -> dict[str, str]:
    """Return sha256 by path of what stages write."""
    files = [each for part in ("data", "models", "reports") for each in (folder / part).rglob("*")]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and file.name != ".gitignore"
    }


@click.group()
def main() -> None:
    """Attack the stages."""


@main.command()
@click.argument("words", nargs=-1)
def inputs(words: tuple[str, ...]) -> None:
    """Give each stage bad inputs, those whose titles hold one of WORDS."""
    failed = 0
    click.echo("| input | exit code | last line | |\n| --- | ---: | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="pokegan-faults-") as name:
        store = Path(name) / "mlflow.db"
        make_store(store)
        for number, (title, change, arguments) in enumerate(cases()):
            if words and not any(word in title for word in words):
                continue
            folder = Path(name) / str(number)
            folder.mkdir()
            make_workspace(folder, store)
            problem, code, line = attack(folder, change, arguments)
            failed += bool(problem)
            shown = line.replace(str(folder), "…").replace("|", "\\|")[:150]
            click.echo(f"| {title} | {code} | {shown} | {problem or 'as expected'} |")
    sys.exit(bool(failed))


def make_store(file: Path) -> None:
    """Create MLflow's database once, which takes seconds."""
    code = "from pokegan.tracking.store import connect; connect()"
    env = environment(DVC_ROOT=str(file.parent))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, capture_output=True)


def attack(folder: Path, change: Callable[[Path], object], arguments: str) -> tuple[str, int, str]:
    """Return what is wrong after a stage with a bad input, its exit code and its last line."""
    change(folder)
    try:
        before, code, found = outputs(folder), 0, ""
        for stage in (DOWNLOAD, PREPARE) if arguments == "own" else (arguments,):
            if not code:
                code, text = call(folder, stage)
                found += text
        errors = [line for line in found.splitlines() if line.startswith("Error: ")]
        remains = [path for path in outputs(folder) if "partial" in path]
        lost = before.keys() - outputs(folder).keys()
    finally:
        subprocess.run(["umount", str(folder / "data")], capture_output=True)
    problems = {
        "traceback": "Traceback" in found,
        "no single error": code != 0 and len(errors) != 1,
        "no end": code == 124,
        f"remains {remains}": remains,
        f"lost {lost}": lost,
    }
    lines = errors or [line for line in found.splitlines() if "%|" not in line] or [""]
    return ", ".join(text for text, wrong in problems.items() if wrong), code, lines[-1]


@main.command()
@click.option("--count", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def kills(count: int, seed: int) -> None:
    """Kill stages at random moments, and compare what the next `dvc repro` makes."""
    with tempfile.TemporaryDirectory(prefix="pokegan-kills-") as name:
        folder = make_repository(Path(name))
        started = time.monotonic()
        run("dvc", "repro", "--quiet", cwd=folder)
        click.echo(f"`dvc repro`: {time.monotonic() - started:.0f} s", err=True)
        commit(folder, "results")
        wrong = attack_by_kills(folder, count, seed)
    click.echo(f"{count} kills, {wrong} with a difference, a remain or a traceback", err=True)
    sys.exit(bool(wrong))


def attack_by_kills(folder: Path, count: int, seed: int) -> int:
    """Kill stages of a pipeline that has run, in turn; return how many leave something wrong."""
    rng, wrong = np.random.default_rng(seed), 0
    expected = comparable(folder)
    stages = run("dvc", "stage", "list", "--name-only", cwd=folder).stdout.split()
    click.echo("| stage | killed after | files that differ | remains | traceback | dvc.lock |")
    click.echo("| --- | ---: | ---: | ---: | --- | --- |")
    for number in range(count):
        stage, delay = stages[number % len(stages)], rng.uniform(0.5, 9)
        while not kill(folder, stage, delay):  # it ended before
            delay /= 2
        again = run("dvc", "repro", "--force", "--single-item", stage, cwd=folder, check=False)
        is_broken = "'./dvc.lock' validation failed" in again.stderr
        if is_broken:  # DVC was killed while it wrote the file; README.md names the remedy
            run("git", "checkout", "-q", "dvc.lock", cwd=folder)
            again = run("dvc", "repro", "--force", "--single-item", stage, cwd=folder, check=False)
        found = comparable(folder)
        differing = [key for key in expected.keys() | found if expected.get(key) != found.get(key)]
        remains = [path for path in outputs(folder) if "partial" in path]
        traceback = "Traceback" in again.stdout + again.stderr
        wrong += bool(differing or remains or traceback or again.returncode)
        counts = f"{len(differing)} | {len(remains)} | {'yes' if traceback else 'no'}"
        lock = "restored" if is_broken else "intact"
        click.echo(f"| {stage} | {delay:.1f} s | {counts} | {lock} |")
    return wrong


def kill(folder: Path, stage: str, delay: float) -> bool:
    """Start a stage by DVC, and send SIGKILL to both after a delay; return if they still ran."""
    command = ["dvc", "repro", "--force", "--single-item", stage]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
    return False


def comparable(folder: Path) -> dict[str, str]:
    """Return sha256 by path of the outputs that hold no durations."""
    durations = ("run.json", "history.csv", "index.html", ".partial")
    return {k: each for k, each in outputs(folder).items() if not k.endswith(durations)}


if __name__ == "__main__":
    main()
