"""Files and texts with faults in them: each is read or refused, and no other error, crash or hang may come.

`seeds.py` has the whole files; `mutating.py` puts wrong values into JSON, `bytes_of.py` into bytes and HDF5 files,
where `fields.py` finds what stands where and repairs checksums, `objects.py` other objects and attributes into whole
HDF5 files, `zips.py` faults into zip archives, `containers.py` into SavedModels. `judging.py` says what became of each
mutant, `differential.py` whether h5py reads the same values; `running.py` does many in processes of their own.
`test_fuzz.py` runs a few with fixed seeds. Many, from the root of the checkout:

    python -m tests.fuzz --count 100000 --seed random
    python -m tests.fuzz --differential --count 6000 --seed random

`atheris_harness.py` lets atheris choose the bytes, where that is installed.
"""
