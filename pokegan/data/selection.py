"""Which pictures make a data set, in which order: the recipes of the two sets."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.schema import Prepare
from pokegan.data.catalogue import Source, catalogue
from pokegan.data.rendering import (
    UnreadablePictureError,
    decode,
    distinct_frames,
    fingerprint,
    to_square,
)


class Selection:
    """A data set in the making: distinct pictures and, row by row, where each comes from."""

    def __init__(self, archive: ZipFile, prepare: Prepare) -> None:
        self.sources = catalogue(archive)
        self.unreadable: dict[str, str] = {}
        self.opened: set[str] = set()
        self._archive = archive
        self._prepare = prepare
        self._pictures: dict[str, tuple[np.ndarray, Source, int]] = {}
        self._rendered: dict[tuple[str, int], np.ndarray | None] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, source: Source, frames: Iterable[int] = (0,)) -> None:
        """Render FRAMES of SOURCE; keep those that show something and are new."""
        frames = list(frames)
        self._render(source, frames)
        for frame in frames:
            pixels = self._rendered.get((source.path, frame))
            if pixels is not None:
                self._pictures.setdefault(fingerprint(pixels), (pixels, source, frame))

    def cut(self, count: int) -> None:
        """Keep the first COUNT pictures."""
        for digest in list(self._pictures)[count:]:
            del self._pictures[digest]

    def animations(self) -> dict[Source, list[int]]:
        """Every animated sprite whose file is no copy of another, and its distinct frames."""
        found: dict[Source, list[int]] = {}
        files: set[str] = set()
        for source in self.sources:
            if source.kind != "sprite":
                continue
            content = self._read(source)
            digest = hashlib.sha256(content).hexdigest()
            if digest in files:
                continue
            files.add(digest)
            self.opened.add(source.path)
            try:
                found[source] = distinct_frames(source.path, content, self._prepare.resolution)
            except UnreadablePictureError as fault:
                self.unreadable[source.path] = str(fault)
        return found

    def pictures(self) -> np.ndarray:
        """All pictures: (N, R, R, 3) uint8."""
        return np.stack([pixels for pixels, _, _ in self._pictures.values()])

    def manifest(self) -> list[dict[str, Any]]:
        """A row a picture: source file, national number, form, kind, frame, sha256 …"""
        return [
            {
                "source": source.path,
                "national_number": source.number,
                "form": source.form,
                "kind": source.kind,
                "female": source.female,
                "shiny": source.shiny,
                "frame": frame,
                "sha256": digest,
            }
            for digest, (_, source, frame) in self._pictures.items()
        ]

    def _render(self, source: Source, frames: list[int]) -> None:
        missing = {frame for frame in frames if (source.path, frame) not in self._rendered}
        if not missing:
            return
        resolution, margin = self._prepare.resolution, self._prepare.margin
        self.opened.add(source.path)
        try:
            images = decode(source.path, self._read(source), resolution)
            for number, image in enumerate(images):
                if number in missing:
                    pixels = to_square(image, resolution, margin)
                    self._rendered[source.path, number] = pixels
                if number == max(missing):
                    break
        except UnreadablePictureError as fault:
            self.unreadable[source.path] = str(fault)

    def _read(self, source: Source) -> bytes:
        try:
            return self._archive.read(source.path)
        except (BadZipFile, EOFError, zlib.error) as fault:
            raise PipelineError(
                f"{self._archive.filename} is broken at {source.path} ({fault}); "
                "delete it and run `dvc repro`."
            ) from fault


def select(name: str, count: int | None, archive: ZipFile, prepare: Prepare) -> Selection:
    """The COUNT distinct pictures (None: all) of the set NAME, pokemon819 or pokemon14000.

    Raises:
        PipelineError: the archive holds fewer, or too many files of it cannot be read.
    """
    selection = Selection(archive, prepare)
    add_stills(selection, ("artwork", "picture"), count)
    if name == "pokemon819":
        top_up_with_sprites(selection, count)
    else:
        add_stills(selection, ("box",), count)
        fill_with_frames(selection, count)
    refuse_if_broken(selection, prepare)
    if count is None and len(selection) < 2:
        raise PipelineError(
            f"the source holds only {len(selection)} distinct pictures for {name}; "
            "at least two are needed: check download in params.yaml."
        )
    if count is not None and len(selection) < count:
        raise PipelineError(
            f"{name}.count is {count}, but the source holds only {len(selection)} distinct "
            f"pictures; add -S {name}.count=null to take them all."
        )
    return selection


def add_stills(selection: Selection, kinds: tuple[str, ...], count: int | None) -> None:
    """Every picture of KINDS in the catalogue's order, until COUNT is reached."""
    for source in selection.sources:
        if len(selection) == count:
            return
        if source.kind in kinds:
            selection.add(source)


def top_up_with_sprites(selection: Selection, count: int | None) -> None:
    """First frames of front sprites of creatures whose form or gender has no artwork."""
    drawn = {source.creature for source in selection.sources if source.kind == "artwork"}
    for source in selection.sources:
        if len(selection) == count:
            return
        if source.kind == "sprite" and not source.shiny and source.creature not in drawn:
            selection.add(source)


def fill_with_frames(selection: Selection, count: int | None) -> None:
    """Evenly spaced frames of all animations, about as many of each, until COUNT is reached.

    Different frames may become the same picture; then more are asked for.
    """
    stills = len(selection)
    if stills == count:
        return
    animations = selection.animations()
    available = sum(map(len, animations.values()))
    wanted = available if count is None else min(count - stills, available)
    asked = wanted
    while True:
        selection.cut(stills)
        for (source, frames), share in zip(
            animations.items(), shares([len(f) for f in animations.values()], asked), strict=True
        ):
            selection.add(source, [frames[i * len(frames) // share] for i in range(share)])
        lacking = wanted - (len(selection) - stills)
        if lacking <= 0 or asked == available:
            selection.cut(stills + wanted)
            return
        asked = min(asked + lacking, available)


def shares(sizes: list[int], total: int) -> list[int]:
    """TOTAL parted over owners of SIZES: as evenly as their sizes allow, the first get the rest.

    Raises:
        ValueError: there is less than TOTAL.
    """
    if total > sum(sizes):
        raise ValueError(f"{total} is more than the {sum(sizes)} there are")
    level = 0
    while sum(min(size, level + 1) for size in sizes) <= total and level < max(sizes, default=0):
        level += 1
    parts = [min(size, level) for size in sizes]
    rest = total - sum(parts)
    for owner, size in enumerate(sizes):
        if rest and size > parts[owner]:
            parts[owner] += 1
            rest -= 1
    return parts


def refuse_if_broken(selection: Selection, prepare: Prepare) -> None:
    """Stop if more files cannot be read than params.yaml allows."""
    broken = selection.unreadable
    if len(broken) > prepare.unreadable * len(selection.opened):
        names = ", ".join(f"{path} ({why})" for path, why in list(broken.items())[:3])
        raise PipelineError(
            f"{len(broken)} of {len(selection.opened)} pictures cannot be read, more than "
            f"prepare.unreadable allows ({prepare.unreadable:.0%}): {names}"
            f"{' …' if len(broken) > 3 else ''}; mend the source or raise the limit."
        )
