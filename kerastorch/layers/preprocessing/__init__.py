"""Layers that bring raw inputs into range."""
