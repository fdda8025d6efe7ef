"""Folders of pictures as one job: what is to be done, what was done before, and what became of each picture.

`plan` says which files there are and where each result goes, `record` what earlier runs have done, `run` does the rest
one by one, and `report` writes down what became of them. Nothing here knows the command line.
"""
