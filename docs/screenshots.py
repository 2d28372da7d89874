"""Take the pictures of MLflow in docs/ from the store of a repository, with headless Chromium.

Run it in the root of the repository after three experiments (docs/experiments.md), with playwright
from `make test-play`: ``python docs/screenshots.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 180_000  # milliseconds
# The cells of the table by number of the row and column; the last line of a name is the name.
ROWS = """() => {
  const rows = {};
  for (const cell of document.querySelectorAll("[role=row][row-index] [role=gridcell]")) {
    const number = cell.closest("[role=row]").getAttribute("row-index");
    (rows[number] ??= {})[cell.getAttribute("col-id")] = cell.innerText.split("\\n").pop();
  }
  return rows;
}"""


@contextmanager
def server(repository: Path, port: int, **env: Any) -> Iterator[str]:
    """Run `pokegan ui` in a repository; yield the address that it prints."""
    command = [
        sys.executable,
        "-c",
        "from pokegan.cli import main; main()",
        "ui",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        command, cwd=repository, stdout=subprocess.PIPE, text=True, start_new_session=True, **env
    )
    try:
        assert process.stdout is not None
        found = (re.search(r"http://\S+", line) for line in process.stdout)
        yield next(match[0] for match in found if match)
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # MLflow's processes, too
        process.wait()


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium; yield a page of it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield chromium.new_page(viewport={"width": 1700, "height": 560}, device_scale_factor=1.5)
        chromium.close()


def open_table(page: Any, address: str) -> list[dict[str, str]]:
    """Open the runs table; return its rows."""
    for _ in range(60):  # until the server answers
        try:
            page.goto(address)
            break
        except Exception:
            page.wait_for_timeout(1000)
    page.locator(".ag-center-cols-container [role=row]").first.wait_for(timeout=TIMEOUT)
    for name in ("Close", "Hide banner"):  # of MLflow's assistant, of the shared view
        button = page.get_by_role("button", name=name, exact=True)
        if button.count():
            button.first.click()
    page.wait_for_timeout(1500)  # until the columns have their widths
    return read_rows(page)


def read_rows(page: Any) -> list[dict[str, str]]:
    """Return the rows of the table, each as mapping of column to text."""
    rows: dict[str, dict[str, str]] = page.evaluate(ROWS)
    return [rows[number] for number in sorted(rows, key=int)]


def sort(page: Any, column: str) -> list[dict[str, str]]:
    """Sort the table by a column, the lowest value first; return its rows."""
    for _ in range(2):  # the first click sorts in descending order
        page.locator(f"[role=columnheader][col-id='{column}']").click()
        page.wait_for_timeout(3000)
    return read_rows(page)


def compare(page: Any, names: list[str]) -> None:
    """Select runs in the table and open their comparison."""
    for name in names:
        row = page.locator("[role=row]", has=page.get_by_role("link", name=name, exact=True))
        row.first.get_by_role("checkbox").first.click()
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Run details").wait_for(timeout=TIMEOUT)
    page.wait_for_timeout(3000)  # until the plot is drawn


def choose_metric(page: Any, metric: str) -> None:
    """Plot one metric in the parallel coordinates of a comparison."""
    chosen = page.get_by_role("combobox").nth(1)
    chosen.press("Backspace")
    chosen.fill(metric)
    chosen.press("Enter")
    chosen.press("Escape")
    page.wait_for_timeout(2000)  # until the plot is drawn


def show_differences(page: Any) -> str:
    """Reduce a comparison to what differs; return its text."""
    for section in ("Parameters", "Metrics"):
        page.get_by_role("switch", name=f"{section} - Show diff only").click()
    for section in ("Visualizations", "Run details"):
        page.get_by_role("button", name=section).first.click()
    page.wait_for_timeout(1000)  # until the sections are closed
    return str(page.locator("main").first.inner_text())


@click.command()
@click.option("--port", default=5055, show_default=True)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("docs"))
def main(port: int, folder: Path) -> None:
    """Write mlflow_{table,sorted,plot,differences}.png to FOLDER."""
    with server(Path(), port) as address, browser() as page:
        rows = open_table(page, address)
        page.screenshot(path=folder / "mlflow_table.png")
        distance = next(key for key in rows[0] if ".fd_" in key or ".fid" in key)
        rows = sort(page, distance)
        page.screenshot(path=folder / "mlflow_sorted.png")
        names = [row["attributes.`Run Name`"] for row in rows]
        compare(page, names[:3])
        choose_metric(page, distance.split("`")[1])
        page.set_viewport_size({"width": 1700, "height": 760})
        page.screenshot(path=folder / "mlflow_plot.png")
        open_table(page, address)
        compare(page, names[:2])
        show_differences(page)
        page.screenshot(path=folder / "mlflow_differences.png")


if __name__ == "__main__":
    main()
