"""Write the pictures of a type to own/<type>, for a row of ablations.yaml, after `dvc repro label`.

python studies/own_pictures.py Water
"""

import sys
import zipfile
from pathlib import Path

import pandas as pd

folder = Path("own", sys.argv[1].lower())
folder.mkdir(parents=True, exist_ok=True)
pictures = pd.read_csv("data/pokemon819.csv").join(
    pd.read_csv("data/pokemon819_types.csv")["first_type"]
)
with zipfile.ZipFile("data/raw/pictures.zip") as archive:
    for row, source in pictures.query("first_type == @sys.argv[1]")["source"].items():
        (folder / f"{row}{Path(source).suffix}").write_bytes(archive.read(source))
