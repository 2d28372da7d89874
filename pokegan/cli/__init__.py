"""The command `pokegan`. Its subcommands are functions in modules of the same names."""

from importlib import import_module

import click

COMMANDS = (
    "sample", "interpolate", "reconstruct", "neighbours", "score", "play", "study", "ablation",
    "ui", "sync", "fetch", "affected",
)  # fmt: skip


@click.group("pokegan", context_settings={"show_default": True})
def main() -> None:
    """Work with the networks that the pipeline trained.

    `pokegan COMMAND --help` describes a command.
    """


for _name in COMMANDS:
    main.add_command(getattr(import_module(f"{__name__}.{_name}"), _name))
