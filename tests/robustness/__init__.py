"""Saves that are killed, disks that are full, files that are cut short while they load: nothing is lost, none dies.

`trials.py` does each many times, at random moments. `test_robustness.py` does a few. Many, from the root of the
checkout:

    python -m tests.robustness --kills 200 --full-disks 100 --truncations 100
"""
