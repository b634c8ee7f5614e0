"""The products of the step engine that run on oneDNN, against float64, autograd and torch's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from _needs import needs
from torch import Tensor
from torch.nn import functional as F

from kerastorch import layers, size_rules
from kerastorch.kernels import matrix_products

pytestmark = needs(torch.backends.mkldnn.is_available(), "torch was built without oneDNN")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, expected: Tensor) -> None:
    assert_close(found, expected)


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_rules, "PRODUCT_WORK", dict.fromkeys(size_rules.PRODUCT_WORK, 0))


@pytest.mark.parametrize("cut", [False, True])
def test_products(cut: bool) -> None:
    x, w = random(6, 5), random(9, 5, seed=1)
    grad, other = random(6, 9, seed=2), random(6, 5, seed=3)
    if cut:
        x, w, grad = (torch.cat([part, part + 1, part - 1], -1)[:, : part.shape[1]] for part in (x, w, grad))
    assert matrix_products.pays(6, w)
    close(matrix_products.product(x, w), x.double() @ w.double().t())
    close(matrix_products.weight_product(grad, x), grad.double().t() @ x.double())
    ahead, back = matrix_products.Factor(w, 6), matrix_products.Factor(w.t(), 6)
    close(ahead.times(x), x.double() @ w.double().t())
    close(back.plus(other, grad), other.double() + grad.double() @ w.double())
    for out in (grad.clone(), torch.empty(6, 9)):
        ahead.plus(grad, x, out)
        close(out, grad.double() + x.double() @ w.double().t())
    ahead.plus(out.copy_(grad), x, out)
    close(out, grad.double() + x.double() @ w.double().t())


@pytest.mark.parametrize("biased", [False, True])
def test_linear_and_its_first_and_second_derivatives(biased: bool) -> None:
    arrays = [random(4, 3, 5), random(7, 5, seed=1), random(7, seed=2)][: 3 if biased else 2]
    found = []
    for function, dtype in ((matrix_products.linear, torch.float32), (F.linear, torch.float64)):
        x, w, *rest = leaves = [array.to(dtype).requires_grad_() for array in arrays]
        out = function(x, w, rest[0] if rest else None)
        first = torch.autograd.grad(out.pow(3).sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(grad.pow(2).sum() for grad in first), leaves)  # type: ignore[arg-type]
        found.append([out, *first, *second])
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("recurrent_dropout", [0.0, 0.25])
@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (layers.LSTM, {"activation": "relu"}),
        (layers.GRU, {"activation": "relu"}),
        (layers.GRU, {"reset_after": False}),
        (layers.SimpleRNN, {"activation": "elu"}),
    ],
)
def test_layers(cls: Any, config: dict[str, Any], recurrent_dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = cls(6, return_sequences=True, recurrent_dropout=recurrent_dropout, **config)
    x, upstream = random(3, 5, 4), random(3, 5, 6, seed=4)
    mask = torch.tensor([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    layer(x)
    calls: list[int] = []
    times = matrix_products._times
    monkeypatch.setattr(matrix_products, "_times", lambda *args: calls.append(1) or times(*args))
    found = []
    for dtype in (torch.float32, torch.float64):
        layer.to(dtype)
        leaf = x.to(dtype).requires_grad_()
        torch.manual_seed(1)
        out = layer(leaf, mask=mask, training=True)
        found.append([out, *torch.autograd.grad(out, [leaf, *layer.parameters()], upstream.to(dtype))])
        assert bool(calls) == (dtype == torch.float32)
        calls.clear()
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


def test_small_products_and_other_dtypes_stay_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_rules, "PRODUCT_WORK", {matrix_products.BLAS: 2**21})
    assert matrix_products.pays(32, random(512, 128))
    assert not matrix_products.pays(31, random(512, 128))
    assert not matrix_products.pays(32, random(512, 128).double())
    torch._C._set_mkldnn_enabled(False)
    try:
        assert not matrix_products.pays(32, random(512, 128))
    finally:
        torch._C._set_mkldnn_enabled(True)


@pytest.mark.parametrize(
    ("mkl", "cpus", "identifier", "blas"),
    [
        (True, "processor\t: 0\nvendor_id\t: GenuineIntel\n", None, "MKL on Intel"),
        (True, "processor\t: 0\nvendor_id\t: AuthenticAMD\n", None, "other"),
        (False, "processor\t: 0\nvendor_id\t: GenuineIntel\n", None, "other"),
        (True, None, "Intel64 Family 6 Model 167 Stepping 1, GenuineIntel", "MKL on Intel"),
        (True, None, "AMD64 Family 25 Model 17 Stepping 1, AuthenticAMD", "other"),
        (True, None, None, "other"),
    ],
)
def test_whose_product_it_competes_with(
    mkl: bool, cpus: str | None, identifier: str | None, blas: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MKL takes all vector units of Intel's processors alone."""
    file = tmp_path / "cpuinfo"
    if cpus is not None:
        file.write_text(cpus)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: mkl)
    monkeypatch.setattr(matrix_products, "CPUS", file)
    monkeypatch.delenv("PROCESSOR_IDENTIFIER", raising=False)
    if identifier is not None:
        monkeypatch.setenv("PROCESSOR_IDENTIFIER", identifier)
    assert matrix_products._blas() == blas
    assert set(size_rules.PRODUCT_WORK) == {"MKL on Intel", "other"}
