"""Folders of pictures and films as one job: what is to be done, what was done before, and what became of each picture.

`plan` says which files there are and where each result goes, `record` what earlier runs have done, `run` and `films` do
the rest one by one, `result` is what became of each, and `report` writes that down. Nothing here knows the command
line.
"""
