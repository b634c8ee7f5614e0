"""Computation on plain tensors: it knows no layer, keeps no state, and has no word of Keras's."""
