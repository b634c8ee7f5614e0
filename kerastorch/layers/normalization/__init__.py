"""Batch, group, layer, RMS and unit normalization."""
