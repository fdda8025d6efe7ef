"""Sheets of pictures, one topic a file: each file here has a `make()` that returns the rows of its sheet.

A row is an RGB picture (H, W, 3), uint8. `python -m docs.pictures` stacks the rows and writes `docs/<file's name>.jpg`;
`python -m docs.pictures selection` makes that one alone.
"""
