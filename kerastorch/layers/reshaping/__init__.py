"""Layers that move, repeat, cut or pad values and compute nothing."""
