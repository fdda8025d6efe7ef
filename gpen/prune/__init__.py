"""Smaller networks from large ones: channels that cannot change the picture, or that change it least, are dropped.

`prune.py` is the way in. It works on the weights of `network.GPEN`, between `layout.from_official` and `to_official`.
"""
