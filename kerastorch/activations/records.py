"""One record for each activation: where it stands in kerastorch beside its formula.

What runs, reads and writes activations takes them from here (the step engine, compiled code, graphs, torch modules in
and out, ONNX, generated source, parity), so that a new one is its formula and one record, beside the
import line of the package and, if files have it, `compat/tables.py`; and one that has no fast path says so here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import formulas as A
from . import steps
from .steps import FROM_INPUTS, InSteps

Activation = Callable[[Tensor], Tensor]


class Onnx(NamedTuple):
    """An activation by the name that ONNX's LSTM, GRU and RNN have for it, with its constants."""

    name: str
    alpha: float | None = None
    beta: float | None = None


class Module(NamedTuple):
    """A module of torch with the settings that compute an activation."""

    type: type[nn.Module]
    settings: Mapping[str, Any] = {}


class Call(NamedTuple):
    """A function of torch with the arguments that compute an activation."""

    function: Callable[..., Any]
    options: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Record:
    """Where an activation stands.

    Attributes:
        function: Its formula.
        steps: How the steps of a recurrence apply it; None for one that mixes elements, or has arguments without
            defaults: autograd then follows every step.
        compiled: Whether the compiled steps (`native/activations.h`) have it. The order of these records is theirs.
        torch: torch's function of the same values. Another kink's derivative, or other rounding in float64, is why it
            is not the formula.
        helper: Where torch has none: its name in `kerastorch.leaving.helpers`.
        module: torch's module.
        read: A module of torch that is read as this activation beside `module`.
        traced: What torch calls functions that compute it without further arguments: of `nn.functional`, or methods.
        onnx: What ONNX's recurrences call it; they do not have the others.
        operation: The class of Keras's operation in a file's graph.
        settings: Arguments of that operation -> those of `torch` or `helper`.
        kinked: Whether it has two slopes somewhere.
        shown: The name that messages use, where Keras's own has two meanings.
    """

    function: Callable[..., Tensor]
    steps: InSteps | None = FROM_INPUTS
    compiled: bool = False
    torch: Call | None = None
    helper: str | None = None
    module: Module | None = None
    read: Module | None = None
    traced: tuple[str, ...] = ()
    onnx: Onnx | None = None
    operation: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    kinked: bool = False
    shown: str | None = None

    @property
    def name(self) -> str:
        """The name that Keras has for it."""
        return self.function.__name__


_AXIS = {"axis": "dim"}
RECORDS: tuple[Record, ...] = (
    # ------------------------------------------------------------------ those of the compiled steps, in their order
    Record(
        A.linear,
        steps.LINEAR,
        compiled=True,
        helper="identity",
        module=Module(nn.Identity),
        onnx=Onnx("Affine", 1.0, 0.0),
    ),
    Record(
        A.sigmoid,
        steps.SIGMOID,
        compiled=True,
        torch=Call(torch.sigmoid),
        module=Module(nn.Sigmoid),
        traced=("sigmoid",),
        onnx=Onnx("Sigmoid"),
        operation="Sigmoid",
    ),
    Record(
        A.tanh,
        steps.TANH,
        compiled=True,
        torch=Call(torch.tanh),
        module=Module(nn.Tanh),
        traced=("tanh",),
        onnx=Onnx("Tanh"),
        operation="Tanh",
    ),
    Record(
        A.relu,
        steps.RELU,
        compiled=True,
        torch=Call(torch.relu),
        module=Module(nn.ReLU),
        traced=("relu",),
        onnx=Onnx("Relu"),
        operation="Relu",
        kinked=True,
    ),
    Record(
        A.hard_sigmoid,
        steps.HARD_SIGMOID,
        compiled=True,
        helper="hard_sigmoid",
        module=Module(nn.Hardsigmoid),  # whose gradient is 8e-9 off in float64
        traced=("hardsigmoid",),
        onnx=Onnx("HardSigmoid", 1 / 6, 0.5),
        operation="HardSigmoid",
        kinked=True,
        shown="hard_sigmoid of Keras 3",
    ),
    Record(
        A.hard_sigmoid_keras2,
        steps.HARD_SIGMOID_KERAS2,
        compiled=True,
        helper="hard_sigmoid_fifth",
        onnx=Onnx("HardSigmoid", 0.2, 0.5),
        kinked=True,
        shown="hard_sigmoid of Keras 1 and 2",
    ),
    Record(
        A.relu6,
        steps.RELU6,
        compiled=True,
        torch=Call(F.relu6),
        module=Module(nn.ReLU6),
        traced=("relu6",),
        operation="Relu6",
        kinked=True,
    ),
    Record(
        A.leaky_relu,
        steps.LEAKY_RELU,
        compiled=True,
        torch=Call(F.leaky_relu, {"negative_slope": 0.2}),
        module=Module(nn.LeakyReLU, {"negative_slope": 0.2}),
        onnx=Onnx("LeakyRelu", 0.2),
        operation="LeakyRelu",
        settings={"negative_slope": "negative_slope"},
        kinked=True,
    ),
    Record(
        A.softsign,
        compiled=True,
        torch=Call(F.softsign),
        module=Module(nn.Softsign),
        traced=("softsign",),
        onnx=Onnx("Softsign"),
        operation="Softsign",
    ),
    # ------------------------------------------------------------------ those of the step engine
    Record(
        A.elu,
        steps.ELU,
        torch=Call(F.elu),
        module=Module(nn.ELU, {"alpha": 1.0}),
        onnx=Onnx("Elu", 1.0),
        operation="Elu",
        settings={"alpha": "alpha"},
    ),
    Record(A.exponential, steps.EXPONENTIAL, torch=Call(torch.exp)),  # its operation in graphs is Exp
    Record(
        A.celu,
        torch=Call(F.celu),
        module=Module(nn.CELU, {"alpha": 1.0}),
        traced=("celu",),
        operation="Celu",
        settings={"alpha": "alpha"},
    ),
    Record(A.selu, helper="selu", module=Module(nn.SELU), traced=("selu",), operation="Selu"),
    Record(A.gelu, torch=Call(F.gelu), module=Module(nn.GELU, {"approximate": "none"}), operation="Gelu"),
    Record(
        A.log_sigmoid,
        torch=Call(F.logsigmoid),
        module=Module(nn.LogSigmoid),
        traced=("logsigmoid", "log_sigmoid"),
        operation="LogSigmoid",
    ),
    Record(A.silu, torch=Call(F.silu), module=Module(nn.SiLU), traced=("silu",), operation="Silu"),
    Record(
        A.hard_silu,
        helper="hard_silu",
        module=Module(nn.Hardswish),
        traced=("hardswish",),
        operation="HardSilu",
        kinked=True,
    ),
    Record(
        A.tanh_shrink,
        torch=Call(F.tanhshrink),
        module=Module(nn.Tanhshrink),
        traced=("tanhshrink",),
        operation="TanhShrink",
    ),
    Record(
        A.hard_tanh,
        torch=Call(F.hardtanh),
        module=Module(nn.Hardtanh, {"min_val": -1.0, "max_val": 1.0}),
        operation="HardTanh",
        kinked=True,
    ),
    Record(
        A.hard_shrink,
        helper="hard_shrink",
        module=Module(nn.Hardshrink, {"lambd": 0.5}),
        operation="HardShrink",
        settings={"threshold": "threshold"},
    ),
    Record(
        A.soft_shrink,
        helper="soft_shrink",
        module=Module(nn.Softshrink, {"lambd": 0.5}),
        operation="SoftShrink",
        settings={"threshold": "threshold"},
    ),
    Record(A.squareplus, helper="squareplus", operation="Squareplus", settings={"b": "b"}),
    Record(
        A.softplus,
        torch=Call(F.softplus, {"threshold": 40.0}),
        module=Module(nn.Softplus, {"beta": 1.0, "threshold": 40.0}),
        read=Module(nn.Softplus, {"beta": 1.0, "threshold": 20.0}),  # torch's own threshold, 2e-9 off in float64
        operation="Softplus",
    ),
    Record(A.mish, torch=Call(F.mish), module=Module(nn.Mish), traced=("mish",)),
    Record(A.sparse_plus, helper="sparse_plus", operation="SparsePlus"),
    Record(A.sparse_sigmoid, helper="sparse_sigmoid", operation="SparseSigmoid", kinked=True),
    # ------------------------------------------------------------------ those of whole tensors
    Record(
        A.softmax,
        None,
        torch=Call(torch.softmax, {"dim": -1}),
        module=Module(nn.Softmax, {"dim": -1}),
        operation="Softmax",
        settings=_AXIS,
    ),
    Record(
        A.log_softmax,
        None,
        torch=Call(torch.log_softmax, {"dim": -1}),
        module=Module(nn.LogSoftmax, {"dim": -1}),
        operation="LogSoftmax",
        settings=_AXIS,
    ),
    Record(A.sparsemax, None, helper="sparsemax", operation="Sparsemax", settings=_AXIS),
    Record(A.glu, None, torch=Call(F.glu), module=Module(nn.GLU, {"dim": -1}), operation="Glu", settings=_AXIS),
    Record(
        A.threshold,  # no layer can have it by its name: its arguments have no defaults
        None,
        torch=Call(F.threshold),
        operation="Threshold",
        settings={"threshold": "threshold", "default_value": "value"},
    ),
)
COMPILED = tuple(record for record in RECORDS if record.compiled)
_SHOWN = {record.name: record.shown for record in RECORDS if record.shown}


def shown(name: str) -> str:
    """The name of an activation for people: with the Keras that means it by that, where there are two."""
    return _SHOWN.get(name, name)
