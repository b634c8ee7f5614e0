"""What torch's exporter to ONNX has to know of the operators in a program that `torch.export` made before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import UnsupportedError
from ..kernels.onnx_operators import FUNCTIONS, KERNELS
from ..packaged import install


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The operators of kerastorch as ONNX's nodes, for a program that stands already.

    `torch.onnx.export(model, ...)` needs none of it: while it takes the graph, the layers speak ONNX themselves.

    Returns:
        What `torch.onnx.export` takes as `custom_translation_table`.

    Raises:
        UnsupportedError: onnxscript is not installed.

    Example:
        >>> program = torch.export.export(model, (x,))  # doctest: +SKIP
        >>> torch.onnx.export(program, (), "model.onnx", custom_translation_table=onnx_translations())  # doctest: +SKIP
    """
    return {getattr(torch.ops.kerastorch, name).default: _translation(name) for name in KERNELS}


def _translation(name: str) -> Callable[..., Any]:
    try:
        from onnxscript import opset18  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UnsupportedError(f"onnx_translations needs onnxscript: {install('onnx')}.") from error
    op: Any = opset18  # its types are those of the arrays, and here are nodes of a graph
    recurrence = KERNELS[name]
    cell = recurrence.cell
    options = {"linear_before_reset": 1} if recurrence.linear_before_reset else {}
    functions = [FUNCTIONS[function].name for function in recurrence.functions]

    def in_order(weight: Any) -> Any:
        blocks = np.arange(weight.shape[0]).reshape(cell.count, -1)
        return op.Gather(
            weight, op.Constant(value_ints=blocks[[cell.torch.index(gate) for gate in cell.onnx]].ravel().tolist())
        )

    def run(x: Any, states: tuple[Any, ...], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        axis = op.Constant(value_ints=[0])
        bias = None if b_ih is None else op.Unsqueeze(op.Concat(in_order(b_ih), in_order(b_hh), axis=0), axis)
        found = getattr(op, recurrence.name)(
            op.Transpose(x, perm=[1, 0, 2]),
            op.Unsqueeze(in_order(w_ih), axis),
            op.Unsqueeze(in_order(w_hh), axis),
            bias,
            None,
            *(op.Unsqueeze(state, axis) for state in states),
            activations=functions,
            hidden_size=int(w_hh.shape[1]),
            **options,
        )
        out = op.Transpose(op.Squeeze(found[0], op.Constant(value_ints=[1])), perm=[1, 0, 2])
        return (out, *(op.Squeeze(state, axis) for state in found[1:]))

    def with_two_states(x, h, c, w_ih, w_hh, b_ih=None, b_hh=None):  # type: ignore[no-untyped-def]
        return run(x, (h, c), w_ih, w_hh, b_ih, b_hh)

    def with_one_state(x, h, w_ih, w_hh, b_ih=None, b_hh=None):  # type: ignore[no-untyped-def]
        return run(x, (h,), w_ih, w_hh, b_ih, b_hh)

    return with_two_states if recurrence.name == "LSTM" else with_one_state
