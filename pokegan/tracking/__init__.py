"""MLflow: live logging of stages, and runs completed from the files that DVC tracks."""
