"""Parameters, errors, files, checkpoints and progress: what every package uses."""
