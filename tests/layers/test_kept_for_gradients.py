"""What the forward equations keep for the backward ones: everything while gradients are wanted, else nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kerastorch import layers
from kerastorch.kernels import compiled, equations

CLASSES = [
    made
    for module in (equations, compiled)
    for made in vars(module).values()
    if isinstance(made, type) and "forward" in vars(made) and made is not equations.Equations
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # float64 is not compiled
@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(3, activation="relu"),
        lambda: layers.GRU(3, activation="relu"),
        lambda: layers.GRU(3, reset_after=False),
        lambda: layers.SimpleRNN(3, activation="sigmoid"),
    ],
    ids=["LSTM", "GRU", "GRU, reset before", "SimpleRNN"],
)
def test_what_is_kept(monkeypatch: pytest.MonkeyPatch, layer: Any, dtype: torch.dtype) -> None:
    seen: list[tuple[bool, bool]] = []
    for made in CLASSES:

        def forward(self: Any, *args: Any, _run: Any = made.forward, **kwargs: Any) -> Any:
            result = _run(self, *args, **kwargs)
            keep = kwargs["keep"] if "keep" in kwargs else args[-1]
            seen.append((keep, len(result[2]) > 0))
            assert keep == (len(result[2]) > 0)
            return result

        monkeypatch.setattr(made, "forward", forward)
    it, x = layer().to(dtype), torch.randn(2, 5, 4, dtype=dtype)
    it(x).sum().backward()
    assert set(seen) == {(True, True)}
    seen.clear()
    with torch.no_grad():
        it(x)
    assert set(seen) == {(False, False)}
