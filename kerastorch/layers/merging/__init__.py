"""Layers that make one tensor of several, and the same as functions."""
