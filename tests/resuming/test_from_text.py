"""The text of a compiled model says how it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kerastorch as kt
from kerastorch.errors import ArgumentError

RNG = np.random.default_rng(6)
X, Y = RNG.normal(size=(12, 4, 3)).astype("float32"), RNG.normal(size=(12, 1)).astype("float32")


def _model(loss: Any) -> Any:
    model = kt.Sequential([kt.Input((4, 3)), kt.layers.GRU(3), kt.layers.Dense(1)])
    model.compile(kt.optimizers.RMSprop(0.03125, clipnorm=0.5), loss, loss_weights=[0.5], metrics=["mae"])
    return model


def test_a_model_from_its_text_trains_alike() -> None:
    model = _model(kt.losses.Huber(0.25))
    again = kt.model_from_json(model.to_json())
    assert again.compiled
    assert again.optimizer.get_config() == model.optimizer.get_config()
    again.set_weights(model.get_weights())
    histories = [made.fit(X, Y, 4, 2, 0, shuffle=False).history for made in (model, again)]
    assert histories[0] == histories[1]
    assert list(histories[0]) == ["loss", "mae"]


def test_what_is_not_here_leaves_it_uncompiled() -> None:
    text = _model("mse").to_json().replace('"mse"', '"of_my_own"')
    model = kt.model_from_json(text)
    assert not model.compiled
    with pytest.raises(ArgumentError, match=r"What its file says of it cannot be repeated here: .*'of_my_own'"):
        model.fit(X, Y, verbose=0)
    assert kt.model_from_json(text, custom_objects={"of_my_own": kt.losses.MeanSquaredError}).compiled
