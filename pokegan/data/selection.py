"""Select the images of the two data sets, in a fixed order and without duplicates."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd

from pokegan.core.errors import PipelineError
from pokegan.core.files import reading
from pokegan.core.schema import Prepare
from pokegan.data.catalog import SourceFile, list_files
from pokegan.data.rendering import (
    NoImageError,
    UnreadablePictureError,
    decode,
    distinct_frames,
    to_square,
)


class Selection:
    """The distinct images selected so far, and the source file and frame of each."""

    def __init__(self, archive: ZipFile, params: Prepare) -> None:
        self.files = list_files(archive)
        self.opened: set[str] = set()
        self.unreadable: dict[str, str] = {}  # by file: why it cannot be decoded
        self.unused: dict[str, str] = {}  # by file: why it gives no image, although it is readable
        self._archive, self._path = archive, Path(str(archive.filename))
        self._params = params
        self._images: dict[str, tuple[np.ndarray, SourceFile, int]] = {}  # by sha256
        self._rendered: dict[str, dict[int, np.ndarray | None]] = {}  # by path and frame

    def __len__(self) -> int:
        return len(self._images)

    def add(self, file: SourceFile, frames: Collection[int]) -> None:
        """Add frames of a file, except blank ones and duplicates."""
        rendered = self._rendered.setdefault(file.source, {})
        missing = set(frames) - rendered.keys()
        if missing:
            rendered.update(self._render(file, missing))
        for frame in frames:
            pixels = rendered.get(frame)
            if pixels is not None:
                digest = hashlib.sha256(pixels.tobytes()).hexdigest()
                self._images.setdefault(digest, (pixels, file, frame))

    def add_stills(self, count: int | None, wanted: Callable[[SourceFile], bool]) -> None:
        """Add an image of each of the wanted files until there are `count` images."""
        for file in filter(wanted, self.files):
            if len(self) == count:
                return
            self.add_still(file)

    def add_still(self, file: SourceFile) -> None:
        """Add the first frame of a file that is not blank, unless it is a duplicate."""
        resolution, margin = self._params.resolution, self._params.margin
        frames = decode(file.source, self._read(file), resolution)
        try:
            for number, image in enumerate(frames):
                pixels = to_square(image, resolution, margin)
                self._rendered.setdefault(file.source, {})[number] = pixels
                if pixels is not None:
                    self.add(file, [number])
                    break
            else:
                self.unused[file.source] = "blank on white"
        except NoImageError as error:
            self.unused[file.source] = str(error)
            return
        except UnreadablePictureError as error:
            self.unreadable[file.source] = str(error)
        self.opened.add(file.source)

    def truncate(self, count: int) -> None:
        """Keep the first images only."""
        for digest in list(self._images)[count:]:
            del self._images[digest]

    def animations(self) -> dict[SourceFile, list[int]]:
        """Return the distinct frames of each animated sprite, without copies of a file."""
        frames: dict[SourceFile, list[int]] = {}
        seen: set[bytes] = set()
        for file in self.files:
            if file.kind != "sprite":
                continue
            content = self._read(file)
            digest = hashlib.sha256(content).digest()
            if digest in seen:
                continue
            seen.add(digest)
            self.opened.add(file.source)
            try:
                frames[file] = distinct_frames(file.source, content, self._params.resolution)
            except UnreadablePictureError as error:
                self.unreadable[file.source] = str(error)
        return frames

    def images(self) -> np.ndarray:
        """Return the images, uint8 (N, R, R, 3)."""
        return np.stack([pixels for pixels, _, _ in self._images.values()])

    def manifest(self) -> pd.DataFrame:
        """Return the manifest: one row per image."""
        rows = [
            {"row": row, **file._asdict(), "frame": frame, "sha256": digest}
            for row, (digest, (_, file, frame)) in enumerate(self._images.items())
        ]
        return pd.DataFrame(rows).astype({"national_number": "Int64"})

    def left_out(self) -> pd.DataFrame:
        """Return a table of the files that give no image, with the reason."""
        rows = sorted({**self.unused, **self.unreadable}.items())
        return pd.DataFrame(rows, columns=["source", "reason"])

    def _render(
        self, file: SourceFile, frames: Collection[int]
    ) -> Iterator[tuple[int, np.ndarray | None]]:
        resolution, margin = self._params.resolution, self._params.margin
        self.opened.add(file.source)
        images = decode(file.source, self._read(file), resolution)
        try:
            for number, image in enumerate(islice(images, max(frames) + 1)):
                if number in frames:
                    yield number, to_square(image, resolution, margin)
        except UnreadablePictureError as error:
            self.unreadable[file.source] = str(error)

    def _read(self, file: SourceFile) -> bytes:
        with reading(self._path):
            return self._archive.read(file.source)


def select(name: str, count: int | None, archive: ZipFile, params: Prepare) -> Selection:
    """Select the images of a data set.

    pokemon819 takes artworks, then sprites of variants without artwork; pokemon14000 takes
    artworks, box sprites and frames of animated sprites. Both take a user's own pictures. A count
    of None takes every distinct image. Raises a PipelineError if the archive holds too few images
    or too many unreadable files.
    """
    selection = Selection(archive, params)
    selection.add_stills(count, lambda file: file.kind in ("artwork", "picture"))
    if name == "pokemon819":
        shown = {file.variant for file in selection.files if file.kind == "artwork"}
        selection.add_stills(
            count,
            lambda file: file.kind == "sprite" and not file.shiny and file.variant not in shown,
        )
    else:
        selection.add_stills(count, lambda file: file.kind == "box")
        add_frames(selection, count)
    check_unreadable(selection, params.unreadable)
    if len(selection) < (count or 2):
        hint = f"add -S {name}.count=null to take all" if count else "check download in params.yaml"
        raise PipelineError(
            f"{name} needs {count or 2} distinct pictures, but the source holds only "
            f"{len(selection)}; {hint}."
        )
    return selection


def add_frames(selection: Selection, count: int | None) -> None:
    """Add evenly spaced frames of all animations, about as many of each.

    Different frames may render to the same image: request more until there are `count` images.
    """
    stills = len(selection)
    if stills == count:
        return
    animations = selection.animations()
    sizes = [len(frames) for frames in animations.values()]
    available = sum(sizes)
    wanted = available if count is None else min(count - stills, available)
    requested = wanted
    while True:
        selection.truncate(stills)
        for (file, frames), share in zip(animations.items(), divide(requested, sizes), strict=True):
            selection.add(file, [frames[i * len(frames) // share] for i in range(share)])
        lacking = wanted - (len(selection) - stills)
        if lacking <= 0 or requested == available:
            selection.truncate(stills + wanted)
            return
        requested = min(requested + lacking, available)


def divide(total: int, capacities: list[int]) -> list[int]:
    """Divide a total into parts that are as equal as their capacities allow.

    Earlier parts get the remainder. The total must not exceed the sum of the capacities.
    """
    levels = range(max(capacities, default=0) + 1)
    level = max(n for n in levels if sum(min(size, n) for size in capacities) <= total)
    parts = [min(size, level) for size in capacities]
    larger = [index for index, size in enumerate(capacities) if size > level]
    for index in larger[: total - sum(parts)]:
        parts[index] += 1
    return parts


def check_unreadable(selection: Selection, tolerated: float) -> None:
    """Raise a PipelineError if more than a fraction of the opened files is unreadable."""
    unreadable, opened = selection.unreadable, len(selection.opened)
    if len(unreadable) > tolerated * opened:
        names = ", ".join(f"{path} ({reason})" for path, reason in list(unreadable.items())[:3])
        raise PipelineError(
            f"{len(unreadable)} of {opened} pictures cannot be read, more than prepare.unreadable "
            f"allows ({tolerated:.0%}): {names}{' …' if len(unreadable) > 3 else ''}; "
            "repair the source and run `dvc repro -f download`, or raise the limit."
        )
