"""The variables of torch's own modules in Keras's names and layout, for modules that stand in a layer or for one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..weights import Step, convolution, identity, transpose

_NORM = {
    "weight": ("gamma", identity),
    "bias": ("beta", identity),
    "running_mean": ("moving_mean", identity),
    "running_var": ("moving_variance", identity),
    "num_batches_tracked": None,  # Keras does not count
}
_CONVOLUTION = {"weight": ("kernel", convolution), "bias": ("bias", identity)}
# Class -> parameter or buffer -> Keras's name and map; None for what is no variable of Keras.
_LAYOUTS: Mapping[type[nn.Module], Mapping[str, tuple[str, Step] | None]] = {
    nn.Linear: {"weight": ("kernel", transpose), "bias": ("bias", identity)},
    nn.Embedding: {"weight": ("embeddings", identity)},
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _CONVOLUTION),
    **dict.fromkeys((nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _NORM),
}


def keras_variable(module: nn.Module, name: str) -> tuple[str, Step] | None:
    """Keras's name and the map of a parameter or buffer of any module; its own name and layout if it is nobody's."""
    for cls, layout in _LAYOUTS.items():
        if isinstance(module, cls) and name in layout:
            return layout[name]
    return name, identity


def is_keras_layout(module: nn.Module, name: str) -> bool:
    """Whether `keras_variable` knows how Keras lays out a parameter: torch's own modules have layouts of their own."""
    if not type(module).__module__.startswith("torch.nn.") or getattr(module, name).ndim < 2:
        return True
    return any(isinstance(module, cls) and name in layout for cls, layout in _LAYOUTS.items())
