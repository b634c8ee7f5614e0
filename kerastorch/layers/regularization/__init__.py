"""Dropout, noise, and a penalty on activities: layers that act while training."""
