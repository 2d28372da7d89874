"""Grids, charts and the report's page: what people look at."""
