"""Layers models of TensorFlow.js: `model.json`, which holds the config and lists the arrays, and files of raw bytes."""

from __future__ import annotations

from .reading import Contents as Contents
from .reading import is_layers_model as is_layers_model
from .reading import read_layers_model as read_layers_model
