"""Where pictures come from, and how a source file becomes a square picture.

A source fills one archive, data/raw/pictures.zip, with the files as they came. The archive is
stored, not compressed, its entries sorted and without dates: the same files give the same
bytes on every machine.
"""
