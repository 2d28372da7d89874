"""The command `pokegan`. Its subcommands are modules of this package, imported when they run."""

from importlib import import_module

import click

COMMANDS = {
    "sample": "Generate images with a trained network.",
    "interpolate": "Interpolate between latents of a trained network.",
    "reconstruct": "Encode images and reconstruct them with an AEGAN.",
    "neighbours": "Find the training images nearest to generated ones.",
    "score": "Score a folder of images against another.",
    "play": "Open the playground, a local page for trained networks.",
    "study": "Search for better parameters.",
    "ui": "Compare the experiments in MLflow's UI.",
    "sync": "Complete the MLflow runs from the files that DVC tracks.",
    "fetch": "Download the published weights of an encoder.",
    "affected": "List the stages that a change of a parameter reruns.",
}


class LazyGroup(click.Group):
    """Group whose commands are placeholders with a description until they are resolved."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Replace the placeholder by the command in the module of the same name."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        if placeholder is None:
            return name, None, rest
        return name, getattr(import_module(f"{__name__}.{name}"), str(name)), rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of COMMANDS."""
        return list(self.commands)


@click.group("pokegan", cls=LazyGroup, context_settings={"show_default": True})
def main() -> None:
    """Work with the networks that the pipeline trained.

    `pokegan COMMAND --help` describes a command.
    """


for _name, _description in COMMANDS.items():
    main.add_command(click.Command(_name, short_help=_description))
