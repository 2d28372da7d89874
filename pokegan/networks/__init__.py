"""Networks: architectures, construction, sampling and files."""
