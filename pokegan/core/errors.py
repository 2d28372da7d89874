"""The one exception that people are meant to see."""

import click


class PipelineError(click.ClickException):
    """A fault that its reader can cure: one sentence that names what, why and the cure.

    Click prints it as ``Error: …`` without a traceback and exits with code 1.
    """
