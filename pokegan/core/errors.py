"""The exception for errors that the user can fix."""

import click


class PipelineError(click.ClickException):
    """An error that the user can fix.

    The message is one sentence: which file or parameter, what is wrong, what to do. Click prints
    it as ``Error: …`` without a traceback and exits with code 1.
    """
