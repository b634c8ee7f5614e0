"""Layers that bring raw inputs into range, and texts into numbers.

Of the latter begin with `index_lookup.py`, what a vocabulary is; `lookups.py` has StringLookup and IntegerLookup, and
`text_vectorization.py` makes words of texts first. `texts.py` knows arrays of text, `hashes.py` TensorFlow's hashes,
`vocabulary_files.py` vocabularies that stand in files.
"""
