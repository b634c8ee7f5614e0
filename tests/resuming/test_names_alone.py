"""What the bare name of an optimizer in a file means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kerastorch.optimizers import legacy
from kerastorch.resuming.compiling import make_optimizer
from kerastorch.spec import TrainingConfig, Writer


@pytest.mark.parametrize(
    ("era", "version", "kind"),
    [
        ("tf.keras", "2.15.0", "tf"),
        ("tf.keras", "2.11.0", "tf"),
        ("tf.keras", None, "tf"),
        ("tf.keras", "2.10.1", "legacy"),
        ("tf.keras", "2.2.4-tf", "legacy"),
        ("keras2", "2.3.1", "legacy"),
        ("keras3", "3.0.5", "keras3"),
    ],
)
def test_a_name_alone_means_what_its_version_makes_of_it(era: Any, version: str | None, kind: str) -> None:
    """`compile(optimizer="adam")` before a step: files say no more, and the orders of the state differ."""
    made = make_optimizer(
        TrainingConfig(json.dumps({"optimizer": "adam", "loss": "mse"}), "keras", Writer(era, version))
    )
    assert made.kind == kind
    assert (type(made.optimizer).__module__ == legacy.__name__) == (kind == "legacy")
