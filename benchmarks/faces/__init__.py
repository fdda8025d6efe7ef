"""What is promised of faces, measured on people whom nothing was tuned on: a row for each promise.

A module of rows has a tuple `ROWS` of functions without arguments, each of which gives a `Row`; name it in `MODULES` of
`__main__.py`.
"""
