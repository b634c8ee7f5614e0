"""Which activation of Keras, or which layer, is one of torch's modules without weights."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from .. import layers
from ..base.to_torch import ACTIVATIONS
from ..errors import UnsupportedError

ACTIVATION_MODULES = frozenset({nn.Threshold, *(module_class for _, module_class, _ in ACTIVATIONS)})


def activation_layer(module: Any) -> layers.Layer:
    """The layer for one of `ACTIVATION_MODULES`.

    Raises:
        UnsupportedError: Keras has no such activation.
    """
    for function, module_class, settings in ACTIVATIONS:
        if type(module) is module_class and all(getattr(module, key) == settings[key] for key in settings):
            return layers.Activation(function)
    if isinstance(module, nn.LeakyReLU) and module.negative_slope >= 0:
        return layers.LeakyReLU(module.negative_slope)
    if isinstance(module, nn.ELU):
        return layers.ELU(module.alpha)
    if isinstance(module, nn.Softmax) and module.dim is not None:
        return layers.Softmax(module.dim)
    if not isinstance(module, nn.Threshold):
        return layers.Activation(copy.deepcopy(module))  # Keras has no name for these settings
    if module.value != 0 or module.threshold < 0:
        raise UnsupportedError(
            f"threshold={module.threshold}, value={module.value}: Keras's ReLU has a threshold >= 0 and the value 0 "
            "below it"
        )
    return layers.ReLU(threshold=module.threshold)
