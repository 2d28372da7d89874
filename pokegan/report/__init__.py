"""The report: a self-contained HTML page, image grids and animations."""
