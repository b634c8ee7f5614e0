"""Layers with several inputs."""

from __future__ import annotations

from collections.abc import Mapping

from .form import PLAIN, Form, keys

FORMS: Mapping[str, Form] = {
    "Concatenate": Form(keys("axis")),
    "Add": PLAIN,
    "Subtract": PLAIN,
    "Multiply": PLAIN,
    "Average": PLAIN,
    "Maximum": PLAIN,
    "Minimum": PLAIN,
    "Dot": Form(keys("axes normalize"), ("axes",)),
}
MERGING = frozenset(FORMS)
