"""Configs of models with wrong values in them: each is read or refused, and no other error, crash or hang may come.

`test_fuzz.py` runs a few with a fixed seed; `python -m fuzz --seed 7 --count 50000`, in the folder `tests`, runs many.
`mutating.py` makes them, `judging.py` says what became of each.
"""
