"""Keras's activation functions on torch tensors: values and gradients of Keras 3.15, also where a function has a kink.

`formulas.py` computes them, `as_layers.py` has those that are layers with fixed arguments (`LeakyReLU` as the
`activation` of a `Dense`), and `records.py` says, once for each, where else in kerastorch it stands: its operation in
graphs, torch's functions and modules, ONNX's, the step engine and the compiled steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._serial import Table
from ..errors import ArgumentError
from ..namespaces import Namespace
from .as_layers import ELU as ELU
from .as_layers import LayerFunction as LayerFunction
from .as_layers import LeakyReLU as LeakyReLU
from .as_layers import ReLU as ReLU
from .as_layers import Softmax as Softmax
from .formulas import celu as celu
from .formulas import elu as elu
from .formulas import exponential as exponential
from .formulas import gelu as gelu
from .formulas import glu as glu
from .formulas import hard_shrink as hard_shrink
from .formulas import hard_sigmoid as hard_sigmoid
from .formulas import hard_sigmoid_keras2 as hard_sigmoid_keras2
from .formulas import hard_silu as hard_silu
from .formulas import hard_tanh as hard_tanh
from .formulas import leaky_relu as leaky_relu
from .formulas import linear as linear
from .formulas import log_sigmoid as log_sigmoid
from .formulas import log_softmax as log_softmax
from .formulas import mish as mish
from .formulas import relu as relu
from .formulas import relu6 as relu6
from .formulas import selu as selu
from .formulas import sigmoid as sigmoid
from .formulas import silu as silu
from .formulas import soft_shrink as soft_shrink
from .formulas import softmax as softmax
from .formulas import softmax_over as softmax_over
from .formulas import softplus as softplus
from .formulas import softsign as softsign
from .formulas import sparse_plus as sparse_plus
from .formulas import sparse_sigmoid as sparse_sigmoid
from .formulas import sparsemax as sparsemax
from .formulas import squareplus as squareplus
from .formulas import tanh as tanh
from .formulas import tanh_shrink as tanh_shrink
from .formulas import threshold as threshold
from .records import RECORDS, Activation

swish = silu
hard_swish = hard_silu

_OWN = "put it into the model as a layer of its own, behind one with a linear activation"
TABLE: Table[Activation] = Table(
    "activation",
    {
        "relu": relu,  # first: messages name it as an example
        **{record.name: record.function for record in RECORDS},
        **{cls.__name__: cls for cls in (ReLU, LeakyReLU, ELU, Softmax)},
        "swish": silu,
        "hard_swish": hard_silu,
    },
    base=(LayerFunction,),
    refused={
        "PReLU": f"it is a layer with weights; {_OWN}",
        "ThresholdedReLU": "it is ReLU with that threshold; write ReLU",
        "Activation": f"it is a layer; {_OWN}, or give the activation that it holds",
    },
)


def get(identifier: Any) -> Activation:
    """Return an activation function.

    Args:
        identifier: A Keras name ("tanh"), a config dict (of a layer such as LeakyReLU too), or None for `linear`; or
            any function on tensors, or an `nn.Module`, which is returned as it is.
    """
    return linear if identifier is None else TABLE.get(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation | None:
    """Return an activation from its config, as `keras.activations.deserialize`.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Classes and functions of your own by their names.
    """
    return TABLE.deserialize(config, custom_objects)


def serialize(activation: Activation) -> Any:
    """Return the Keras name of a built-in activation, or the config of a layer that stands for one.

    A function of your own has neither and is refused.
    """
    if activation is None:
        raise ArgumentError("None is no activation function: expected a function, for no activation `linear`.")
    return TABLE.serialize(activation)


_namespace = Namespace(
    __name__,
    globals(),
    homes=("activations", "activations.formulas", "activations.as_layers"),
    hidden=("LayerFunction", "hard_sigmoid_keras2", "softmax_over"),
)


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
