"""The operations of Keras that kerastorch does not have -> what to use in their place."""

from __future__ import annotations

from collections.abc import Mapping

_POOLING = "use the pooling layers, or torch.nn.functional."
_CONVOLUTION = "use the convolution layers, or torch.nn.functional."
_IMAGE = "images are changed by torchvision.transforms.v2.functional."
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"), _POOLING),
    **dict.fromkeys(("conv", "conv_transpose", "depthwise_conv", "separable_conv"), _CONVOLUTION),
    "custom_gradient": "write a torch.autograd.Function.",
    **dict.fromkeys(("depth_to_space", "space_to_depth"), "use torch.nn.functional.pixel_shuffle and pixel_unshuffle."),
    **dict.fromkeys(("fold", "unfold"), "use torch.nn.functional.fold and unfold."),
    "image": _IMAGE,
    "jvp": "use torch.func.jvp.",
    "layer_normalization": "use layers.LayerNormalization, or torch.nn.functional.layer_norm.",
    **dict.fromkeys(("linalg", "nn", "numpy"), "its functions stand in kerastorch.ops."),
    "lu_factor": "use torch.linalg.lu_factor, which returns its row exchanges in another form.",
    "rearrange": "use ops.reshape and ops.transpose, or einops.",
    **dict.fromkeys(("istft", "stft"), "use torch.stft and torch.istft."),
    "vectorize": "use ops.vectorized_map, or torch.vmap.",
}
