"""The inputs' part of the gates: the gradients that the step engine takes itself are those of autograd."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from _close import apart, assert_close
from torch import Tensor

from kerastorch import size_rules
from kerastorch.kernels import matrix_products
from kerastorch.kernels.conv_lstm import InputConvolution
from kerastorch.kernels.input_product import GateLinear, InputProduct

PRODUCTS = {
    "linear": (GateLinear(), (5, 3, 4), (8, 4)),
    "convolution": (InputConvolution(-1, "valid", (1, 1), (1, 2)), (2, 3, 5, 6, 4), (8, 4, 3, 2)),
    "channels first": (InputConvolution(1, "same", (2, 1), (1, 1)), (2, 3, 4, 7, 5), (8, 4, 2, 3)),
    "one axis": (InputConvolution(-1, "same", (3,), (1,)), (2, 3, 7, 4), (8, 4, 2)),
}
DROPS = [0, 1, 4]  # masks: none, one for all gates, one for each


def problem(name: str, drops: int) -> tuple[InputProduct, Tensor, Tensor, Tensor, Tensor | None]:
    product, x, w = PRODUCTS[name]
    made = [torch.randn(shape, dtype=torch.float64) for shape in (x, w, w[:1])]
    drop = 2.0 * (torch.rand(drops, *x[1:], dtype=torch.float64) > 0.5) if drops else None
    return product, made[0], made[1], made[2], drop


@pytest.mark.parametrize(("name", "drops"), [(n, d) for n in PRODUCTS for d in DROPS if n == "linear" or d != 1])
def test_gradients_are_those_of_autograd(name: str, drops: int) -> None:
    product, *leaves, drop = problem(name, drops)
    tensors = [leaf.requires_grad_() for leaf in leaves]
    gates = product(*tensors, drop)
    grad = torch.randn_like(gates)
    expected = torch.autograd.grad(gates, tensors, grad)
    x, w, _ = (tensor.detach() for tensor in tensors)
    for needs in itertools.product((True, False), repeat=3):
        found = product.gradients(grad, x, w, drop, needs)
        assert tuple(part is not None for part in found) == needs
        for mine, theirs in zip(found, expected, strict=True):
            if mine is not None:
                assert_close(mine, theirs)


@pytest.mark.parametrize("mixed", [{"drop": "flip"}, {"drop": "none"}])
def test_other_dropout_masks_are_seen(mixed: dict[str, Any]) -> None:
    product, *leaves, drop = problem("linear", 4)
    assert drop is not None
    tensors = [leaf.requires_grad_() for leaf in leaves]
    gates = product(*tensors, drop)
    grad = torch.randn_like(gates)
    expected = torch.autograd.grad(gates, tensors, grad)
    wrong = drop.flip(0) if mixed["drop"] == "flip" else None
    found = product.gradients(grad, tensors[0].detach(), tensors[1].detach(), wrong, (True, True, True))
    for mine, theirs in list(zip(found, expected, strict=True))[:2]:
        assert mine is not None
        assert apart(mine, theirs)


def test_large_products_run_on_the_faster_library_without_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b = torch.randn(64, 256), torch.randn(256, 256), torch.randn(256)
    monkeypatch.setattr(size_rules, "PRODUCT_WORK", {matrix_products.BLAS: x.numel() * len(w)})
    assert matrix_products.pays(64, w) == torch.backends.mkldnn.is_available()
    with torch.no_grad():
        found = matrix_products.linear(x, w, b)
    assert_close(found, x.double() @ w.double().t() + b)
