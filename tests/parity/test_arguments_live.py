"""Every argument of a Keras 3 and a tf.keras layer is one here: acted on, or refused with a reason, or inert."""

from __future__ import annotations

import inspect

import pytest
from _keras_worker import KerasWorker

from kerastorch import layers
from kerastorch.base.layer import REGISTRY, Layer

# Arguments of bases that are no arguments of the layer: Keras hands them up itself, or refuses them from a caller.
NOT_GIVEN = {
    "cell": "LSTM and the like make their own",
    "rank": "of the base of convolutions",
    "conv_op": "likewise",
    "pool_dimensions": "of the base of pooling layers",
    "pool_mode": "likewise",
    "pool_function": "likewise, in tf.keras",
    "force_generator": "of tf.keras's random base: which of TensorFlow's generators is used",
    "rng_type": "likewise",
    "dynamic": "tf.keras: run eagerly; there is no graph here",
}
# Classes that a Keras does not have, or not under `layers`.
_NEITHER = (
    *("InputLayer", "Functional", "Sequential", "CuDNNLSTM", "CuDNNGRU"),
    *("LocallyConnected1D", "LocallyConnected2D", "Highway", "MaxoutDense", "Operation"),
)
_ADAPTIVE = [f"Adaptive{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)]
MISSING = {
    "keras3": (*_NEITHER, "ThresholdedReLU"),
    "keras2": (*_NEITHER, "RMSNormalization", "GroupQueryAttention", *_ADAPTIVE),
}
# Of bases, which these layers take and do not look at.
_UNUSED = frozenset({"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"})
UNUSED = {
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _UNUSED | {"filters"}),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _UNUSED),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), frozenset({"groups"})),
    "AdditiveAttention": frozenset({"score_mode"}),  # of Keras 3's base, which takes it out of the config
}
NAMES = [
    (framework, name)
    for name in sorted(REGISTRY)
    for framework in MISSING
    if name not in MISSING[framework] and hasattr(layers, name)
]


def accepted(cls: type[Layer]) -> set[str]:
    names = set(cls._config_keys())
    for base in cls.__mro__:
        if issubclass(base, Layer):
            names |= set(inspect.signature(base.__init__).parameters)
    return names


@pytest.mark.parametrize(("framework", "name"), NAMES)
def test_every_argument_is_known(keras_worker: KerasWorker, framework: str, name: str) -> None:
    theirs = set(keras_worker.call(framework, "facts:arguments_of", name)) - set(NOT_GIVEN)
    assert {"name", "dtype"} <= theirs | {"name", "dtype"}
    assert sorted(theirs - UNUSED.get(name, frozenset()) - accepted(REGISTRY[name])) == []
