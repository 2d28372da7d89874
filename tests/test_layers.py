"""Packages of pokegan/ import downwards only (ARCHITECTURE in DESIGN.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

LAYERS = (
    {"core"},
    {"compute"},
    {"networks", "metrics", "encoders", "data"},
    {"training", "analysis", "tracking"},
    {"gans", "report"},
    {"cli"},
)
RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in sorted(packages)}


def imports(file: Path) -> set[str]:
    """Modules that a file imports anywhere, also below TYPE_CHECKING and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_package_has_a_layer() -> None:
    packages = {path.parent.name for path in ROOT.glob("pokegan/*/__init__.py")}
    assert packages == set(RANK)


@pytest.mark.parametrize("package", RANK)
def test_a_package_imports_only_lower_layers(package: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / "pokegan" / package).rglob("*.py")
        for name in imports(file)
        if name.startswith(("pokegan.", "stages"))
        and (name.startswith("stages") or (other := name.split(".")[1]) != package)
        and (name.startswith("stages") or RANK[other] >= RANK[package])
    ]
    assert not wrong


def test_stages_do_not_import_stages() -> None:
    wrong = [
        f"{file.name} imports {name}"
        for file in (ROOT / "stages").glob("*.py")
        for name in imports(file)
        if name.startswith("stages.") or name.startswith("pokegan.cli")
    ]
    assert not wrong
