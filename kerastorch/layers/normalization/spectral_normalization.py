"""SpectralNormalization: a layer whose kernel is divided by its largest singular value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.dtype_policy import state_dtype_beside
from ...base.inner_layers import inner_layer, serialize_layer
from ...base.layer import Example, Layer, register
from ...base.variable import Variable
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError
from ...initializers import TruncatedNormal
from ...weights import Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_NORMALISED = ("kernel", "embeddings")
_LEAST = 1e-7  # Keras's epsilon, which bounds the norm of a vector from below


@register("SpectralNormalization")
class SpectralNormalization(Layer):
    """Keeps the spectral norm of a layer's kernel near 1, as `keras.layers.SpectralNormalization` (Miyato et al. 2018).

    A call in training first divides the kernel by an estimate of its largest singular value, and keeps the quotient:
    the weight of the inner layer changes. The estimate comes from power iteration, which goes on from a vector that is
    kept. A call in evaluation is the inner layer's. Outputs have the dtype of the input, as in Keras: those of an
    Embedding are whole numbers where the ids are. torch's backward refuses a graph that holds two calls in training,
    since the kernel has changed between them.

    Args:
        layer: A layer with a `kernel` (`Dense`, `Conv2D`, ...) or with `embeddings`.
        power_iterations: Steps of the iteration in a call.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        The inner layer's kernel; `vector_u`, `(1, last size of the kernel)`, not trained; the inner layer's others.

    Example:
        >>> SpectralNormalization(Dense(2))(torch.zeros(4, 3)).shape
        torch.Size([4, 2])
    """

    _casts_itself = True
    _hands_training = True
    CONFIG = ("layer", "power_iterations")
    WEIGHTS = (
        Var(
            "vector_u",
            ("vector_u",),
            lambda layer, _: (1, layer._normalised().shape[-1]),
            trainable=False,
            init=lambda _: TruncatedNormal(stddev=0.02),
        ),
    )
    vector_u: Any  # a buffer with Keras's methods
    EXAMPLES = (
        Example("dense", dict(layer={"class_name": "Dense", "config": {"units": 2}}), (2, 7, 3)),
        Example(
            "convolution",
            dict(
                layer={"class_name": "Conv1D", "config": {"filters": 2, "kernel_size": 3, "use_bias": False}},
                power_iterations=3,
            ),
            (2, 7, 3),
        ),
    )

    def __init__(self, layer: Any, power_iterations: int = 1, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.layer = inner_layer("layer", layer)
        state_dtype_beside(self, (self.layer,))
        self.power_iterations = check.positive("power_iterations", power_iterations)
        if not self.trainable:
            self.trainable = False  # the inner layer's too

    def get_config(self) -> dict[str, Any]:
        return {**self._base_config(), "layer": serialize_layer(self.layer), "power_iterations": self.power_iterations}

    def _normalised(self) -> Any:
        """The variable that is divided."""
        own: dict[str, Variable] = {}
        for variable in self.layer._own_variables():
            own.update(dict.fromkeys((variable.name, *variable.var.params), variable))  # a person's own: by attribute
        # The weights of a recurrent layer belong to its cell.
        found = None if type(self.layer).VARS_PATH else next((own[name] for name in _NORMALISED if name in own), None)
        if found is None:
            raise ArgumentError(
                f"{repr_of(self)}: the layer inside, {repr_of(self.layer)}, has no weight named kernel or embeddings, "
                "so there is nothing to normalise."
            )
        return found

    def _held_variables(self) -> list[Variable]:
        return [self._normalised()] if self._built else []

    def build(self, input_shape: Shape) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        super().build(input_shape)

    def _check_input_shape(self, input_shape: Shape) -> None:
        last = self._build_shape[-1] if self._built and self._build_shape else None
        if last is not None and input_shape[-1] not in (None, last):
            raise ShapeError(
                f"{repr_of(self)}: expected {last} as the last size of the input, got input of shape "
                f"{tuple(input_shape)}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._computes_in if self._casts and input_dtype.is_floating_point else input_dtype

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Normalise the kernel, in training, and call the layer inside.

        Args:
            x: `(B, ..., F)`, what the layer inside takes.
            training: Whether the kernel is normalised; `self.training` if None. It is handed on.

        Returns:
            What the layer inside returns, in the dtype of x.
        """
        self._check_input_shape(tuple(x.shape))
        training = self.training if training is None else training
        if training:
            self._normalise()
        # The layer inside has a dtype of its own, to which Keras casts what it is called on.
        taken = x.to(self.layer._computes_in) if self._casts and x.is_floating_point() else x
        return self.layer(taken, training=training).to(x.dtype)

    @torch.no_grad()
    def _normalise(self) -> None:
        variable = self._normalised()
        kernel, u = variable.value.detach(), self.vector_u
        matrix = kernel.reshape(-1, kernel.shape[-1]).to(u.dtype)
        v = u
        for _ in range(self.power_iterations):
            v = _unit(u @ matrix.T)
            u = _unit(v @ matrix)
        norm = v @ matrix @ u.T
        there = (kernel != 0).any()  # a kernel of zeros stays, and so does the vector
        new = torch.where(there, kernel / norm.reshape(()).to(kernel.dtype), kernel)
        for part, value in zip(variable.parts(), variable.var.map.forward((new,)), strict=True):
            part.copy_(value)
        self.vector_u.copy_(torch.where(there, u, self.vector_u))


def _unit(x: Tensor) -> Tensor:
    """A vector divided by its length."""
    return x * torch.rsqrt(x.square().sum()).clamp(max=1 / _LEAST)
