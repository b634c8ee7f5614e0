"""Modules of torch with the arguments that Keras's layers have, one to one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .. import layers
from ..base.to_torch import ChannelsFirst, ChannelsLast
from ..errors import UnsupportedError
from ._activations import activation_layer
from ._convolutions import convolution_layer, padding_before
from ._filling import build_like, fill, filled
from ._settings import Settings


def linear(module: nn.Linear, settings: Settings) -> layers.Layer:
    layer = layers.Dense(module.out_features, use_bias=module.bias is not None)
    return filled(layer, (None, module.in_features), {"weight": module.weight, "bias": module.bias})


def embedding(module: nn.Embedding, settings: Settings) -> layers.Layer:
    if module.padding_idx is not None and module.weight.requires_grad and not settings.trains_padding:
        raise UnsupportedError(
            f"padding_idx={module.padding_idx}: torch never trains that row, Keras does; set module.padding_idx = None "
            "if the row may be trained (its values stay), or freeze the weight"
        )
    for option in ("max_norm", "scale_grad_by_freq", "sparse"):
        if getattr(module, option):
            raise UnsupportedError(f"{option}={getattr(module, option)}: Keras's Embedding has no such option")
    layer = layers.Embedding(module.num_embeddings, module.embedding_dim)
    return filled(layer, (None, None), {"weight": module.weight})


def convolution(module: Any, settings: Settings) -> layers.Layer:
    spatial = [None] * len(module.kernel_size)
    last = settings.data_format == "channels_last"
    shape = (None, *spatial, module.in_channels) if last else (None, module.in_channels, *spatial)
    padded = settings.pads and padding_before(module, settings.data_format) is not None
    layer = convolution_layer(module, settings.data_format, padded)
    return filled(layer, shape, {"weight": module.weight, "bias": module.bias})


def moved_channels(module: ChannelsFirst, settings: Settings) -> layers.Layer:
    axes = list(range(1, module.rank + 2))
    return layers.Permute([*axes[1:], 1] if isinstance(module, ChannelsLast) else [axes[-1], *axes[:-1]])


AXES_BEHIND: dict[type[nn.Module], int] = {nn.BatchNorm1d: 0, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}


def batch_norm(module: Any, settings: Settings) -> layers.Layer:
    if module.momentum is None:
        raise UnsupportedError("momentum=None: Keras has no average over all batches, only the exponential one")
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedError("track_running_stats=False: Keras's BatchNormalization always has moving statistics")
    layer = layers.BatchNormalization(
        axis=settings.axis, momentum=1 - module.momentum, epsilon=module.eps, center=module.affine, scale=module.affine
    )
    tensors = {name: getattr(module, name) for name in ("weight", "bias", "running_mean", "running_var")}
    return filled(layer, _around(module.num_features, settings, AXES_BEHIND[type(module)]), tensors)


def _around(channels: int, settings: Settings, behind: int) -> tuple[int | None, ...]:
    """The shape of an input with the channels on their axis."""
    rank = 2 + behind if settings.rank is None else settings.rank
    return tuple(channels if axis == settings.axis else None for axis in range(rank))


def layer_norm(module: nn.LayerNorm, settings: Settings) -> layers.Layer:
    rank = len(module.normalized_shape)
    layer = layers.LayerNormalization(
        axis=-1 if rank == 1 else list(range(-rank, 0)),
        epsilon=module.eps,
        scale=module.elementwise_affine,
        center=module.bias is not None,
    )
    return filled(layer, (None, *module.normalized_shape), {"weight": module.weight, "bias": module.bias})


def group_norm(module: nn.GroupNorm, settings: Settings) -> layers.Layer:
    layer = layers.GroupNormalization(
        module.num_groups, axis=settings.axis, epsilon=module.eps, center=module.affine, scale=module.affine
    )
    return filled(layer, _around(module.num_channels, settings, 0), {"weight": module.weight, "bias": module.bias})


def rms_norm(module: nn.RMSNorm, settings: Settings) -> layers.Layer:
    if not module.elementwise_affine:
        raise UnsupportedError("elementwise_affine=False: Keras's RMSNormalization always has a scale")
    rank = len(module.normalized_shape)
    epsilon = torch.finfo(module.weight.dtype).eps if module.eps is None else module.eps
    layer = layers.RMSNormalization(axis=-1 if rank == 1 else list(range(-rank, 0)), epsilon=epsilon)
    return filled(layer, (None, *module.normalized_shape), {"weight": module.weight})


def prelu(module: nn.PReLU, settings: Settings) -> layers.Layer:
    if settings.example_shape is None:
        raise UnsupportedError(
            "alpha of a PReLU layer has the axes of its input, and those are not known here: convert this module by "
            "itself, with example=(a shape)"
        )
    rank = len(settings.example_shape)
    shared = list(range(1 if module.num_parameters == 1 else 2, rank))
    layer = layers.PReLU(shared_axes=shared or None)
    tensors = {"weight": module.weight}
    build_like(layer, (None, *settings.example_shape[1:]), tensors)
    fill(layer, {"weight": module.weight.view(layer.weight.shape)})
    return layer


def flatten(module: nn.Flatten, settings: Settings) -> layers.Layer:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UnsupportedError(
            f"start_dim={module.start_dim}, end_dim={module.end_dim}: Keras's Flatten keeps the batch axis only (1, -1)"
        )
    return layers.Flatten()


def dropout(module: nn.Dropout, settings: Settings) -> layers.Layer:
    return layers.Dropout(module.p)


def activation(module: nn.Module, settings: Settings) -> layers.Layer:
    return activation_layer(module)
