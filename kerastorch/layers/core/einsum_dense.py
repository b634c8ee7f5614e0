"""EinsumDense: a dense layer whose product is an einsum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from ...activations import Activation
from ...base import check
from ...base.input_checks import float_tensor, one_shape, refuse
from ...base.input_spec import as_built
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weight_tensors import ParameterAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted, quote
from ...initializers import scaled_over
from ...weights import Shape, Var
from .dense import REFUSED

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_FORMS = (
    (re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)"), ""),
    (re.compile(r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)"), "left"),
    (re.compile(r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\."), "right"),
)


@dataclass(frozen=True)
class Equation:
    """An einsum of an input and a kernel: the letters of each axis, and on which side an ellipsis stands."""

    input: str
    kernel: str
    output: str
    ellipsis: str  # "", "left" or "right"

    @classmethod
    def read(cls, text: Any) -> Equation:
        """Read `"ab,bc->ac"`, `"...b,bc->...c"` or `"ab...,bc->ac..."`.

        Raises:
            ArgumentError: It is none of these, or an axis of the kernel or the output comes from nowhere.
        """
        if not isinstance(text, str):
            raise ArgumentError(f"equation: expected text such as 'abc,cd->abd', got {quote(text)}.")
        bare = text.replace(" ", "")
        found = next(((match, side) for form, side in _FORMS if (match := form.fullmatch(bare))), None)
        if found is None:
            raise ArgumentError(
                f"equation: expected the form '[X],[Y]->[Z]', '...[X],[Y]->...[Z]' or '[X]...,[Y]->[Z]...', "
                f"got {quote(text)}."
            )
        match, side = found
        equation = cls(match[1], match[2], match[3], side)
        for name, letters, known in (
            ("output", equation.output, equation.input + equation.kernel),
            ("kernel", equation.kernel, equation.input + equation.output),
        ):
            lost = [letter for letter in letters if letter not in known]
            if lost:
                raise ArgumentError(f"equation: axis {lost[0]!r} of the {name} stands nowhere else in {quote(text)}.")
        return equation

    def sizes(self, input_shape: Shape, output_shape: Shape) -> tuple[dict[str, Any], Shape]:
        """The size of each letter, and the shape of the output with its batch axis.

        Raises:
            ShapeError: The two shapes do not fit the equation or each other.
        """
        elided = len(input_shape) - len(self.input)
        if elided < 0 or (elided and not self.ellipsis):
            more = " at least" if self.ellipsis else ""
            raise ShapeError(
                f"expected input with{more} {counted(len(self.input), 'axis', 'axes')} for {self}, got {input_shape}."
            )
        left = self.ellipsis == "left"
        between = input_shape[1:elided] if left and elided else ()
        behind = input_shape[len(self.input) :] if elided and not left else ()
        output = (input_shape[0], *between, *output_shape, *behind)
        skipped = elided if left else 0
        if len(output) != len(self.output) + elided:
            raise ShapeError(
                f"{self} has an output of {counted(len(self.output) + elided, 'axis', 'axes')}, but with its batch "
                "axis output_shape makes "
                f"{len(output)}: {output}; give one size for each axis behind the batch, None where it follows."
            )
        sizes = dict(zip(self.input, input_shape[skipped:], strict=False))
        found = list(output)
        for place, letter in enumerate(self.output, skipped):
            if letter in sizes:
                if found[place] is not None and sizes[letter] is not None and found[place] != sizes[letter]:
                    raise ShapeError(
                        f"axis {letter!r} of {self} has size {sizes[letter]} in the input {input_shape} "
                        f"and {found[place]} in the output {output}."
                    )
            else:
                sizes[letter] = found[place]
        return sizes, tuple(found)

    def bias_shape(self, axes: str, sizes: dict[str, Any], elided: int) -> tuple[Any, ...]:
        """The shape of a bias over these output axes, broadcast from the right."""
        first = min(self.output.index(letter) for letter in axes)
        shape = [sizes[letter] if letter in axes else 1 for letter in self.output[first:]]
        return (*shape, *([1] * elided if self.ellipsis == "right" else []))

    def __str__(self) -> str:
        left, right = ("..." if self.ellipsis == side else "" for side in ("left", "right"))
        return f"'{left}{self.input}{right},{self.kernel}->{left}{self.output}{right}'"


def _kernel_shape(layer: EinsumDense, input_shape: Shape) -> tuple[int, ...]:
    sizes, _ = layer._sizes(input_shape)
    return tuple(sizes[letter] for letter in layer._equation.kernel)


def _bias_shape(layer: EinsumDense, input_shape: Shape) -> tuple[int, ...]:
    sizes, _ = layer._sizes(input_shape)
    return layer._equation.bias_shape(layer.bias_axes or "", sizes, len(input_shape) - len(layer._equation.input))


def _kernel_initializer(layer: EinsumDense) -> Any:
    """Take the fans from the equation, as Keras 3 does: the axes that are summed over, and those of the output."""
    equation = layer._equation
    inputs = [axis for axis, letter in enumerate(equation.kernel) if letter not in equation.output]
    outputs = [axis for axis, letter in enumerate(equation.kernel) if letter in equation.output]
    return scaled_over(layer.kernel_initializer, inputs, outputs)


@register("EinsumDense")
class EinsumDense(Layer):
    """`activation(einsum(equation, x, W) + b)`, as `keras.layers.EinsumDense`.

    Args:
        equation: Of an input and a kernel: "abc,cd->abd"; an ellipsis at the same end of input and output stands for
            any axes, "...c,cd->...d".
        output_shape: Sizes of the output's axes without the batch and those of the ellipsis, None where a size is the
            input's; an integer for one.
        activation: Of the output; None for none.
        bias_axes: Letters of the output's axes that the bias has; None for no bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        lora_rank: None; anything else is refused.
        lora_alpha: Without meaning while `lora_rank` is None.
        gptq_unpacked_column_size: None; anything else is refused.
        quantization_config: None; anything else is refused.
        **base: `name`, `dtype`, `trainable`, `activity_regularizer`, ...

    Variables:
        kernel: one axis for each of its letters -> `weight`
        bias: the output's axes from the first of `bias_axes` on, 1 where it has none -> `bias`

    Example:
        >>> EinsumDense("abc,cde->abde", output_shape=(None, 2, 4), bias_axes="de")(torch.zeros(3, 20, 5)).shape
        torch.Size([3, 20, 2, 4])
    """

    _keras_spec = as_built(lambda layer: [])
    WEIGHTS = (
        Var("kernel", ("weight",), _kernel_shape, init=_kernel_initializer),
        Var("bias", ("bias",), _bias_shape, when=lambda l: l.bias_axes is not None),
    )
    CONFIG = (
        "output_shape",
        "equation",
        "activation",
        "bias_axes",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )
    KEPT_AS: ClassVar[Mapping[str, str]] = {"output_shape": "partial_output_shape"}
    INERT = ("lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config")
    EXAMPLES = (
        Example("default", dict(equation="abc,cd->abd", output_shape=(None, 5), bias_axes="d"), (2, 7, 3)),
        Example("heads", dict(equation="...c,cde->...de", output_shape=(2, 4), bias_axes="e"), (2, 7, 3)),
        Example("tail", dict(equation="ab...,bc->ac...", output_shape=(5,), activation="tanh"), (2, 3, 7)),
    )

    activation: Activation
    kernel: VariableAttribute
    weight: Tensor
    bias: ParameterAttribute

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self._configure(
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.equation = equation
        self._equation = Equation.read(equation)
        sizes = output_shape if isinstance(output_shape, (list, tuple)) else (output_shape,)
        self.partial_output_shape = check.shape("output_shape", sizes)
        if bias_axes is not None and not (isinstance(bias_axes, str) and bias_axes):
            raise ArgumentError(f"bias_axes: expected letters of the output's axes or None, got {quote(bias_axes)}.")
        foreign = [letter for letter in bias_axes or "" if letter not in self._equation.output]
        if foreign:
            raise ArgumentError(f"bias_axes: {foreign[0]!r} is no axis of the output in {self._equation}.")
        self.bias_axes = bias_axes
        refused = {**REFUSED, "gptq_unpacked_column_size": REFUSED["quantization_config"]}
        refuse(
            self,
            refused,
            lora_rank=lora_rank,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )

    def _sizes(self, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        try:
            return self._equation.sizes(tuple(input_shape), self.partial_output_shape)
        except ShapeError as error:
            raise ShapeError(f"{repr_of(self)}: {error}") from error

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")
        sizes, _ = self._sizes(input_shape)
        axes = {letter: sizes[letter] for letter in self._equation.kernel}
        unknown = [letter for letter, size in axes.items() if size is None]
        if unknown:
            raise ShapeError(
                f"{repr_of(self)}: the size of axis {unknown[0]!r} in {self._equation} must be known, got input of "
                f"shape {tuple(input_shape)} and output_shape {self.partial_output_shape}; give it to Input or build."
            )
        if "weight" in self._parameters and tuple(axes.values()) != tuple(self.weight.shape):
            raise ShapeError(
                f"{repr_of(self)}: the kernel has shape {tuple(self.weight.shape)}, input of shape "
                f"{tuple(input_shape)} needs one of {tuple(axes.values())} for {self._equation}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        sizes, stated = self._sizes(input_shape)
        skipped = len(stated) - len(self._equation.output) if self._equation.ellipsis == "left" else 0
        # A size that output_shape leaves open is known from the input.
        behind = stated[skipped + len(self._equation.output) :]
        return (*stated[:skipped], *(sizes[letter] for letter in self._equation.output), *behind)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer.

        Args:
            x: `(B, ...)` as the equation says, of the layer's dtype.

        Raises:
            ShapeError: x does not fit the equation or the kernel.
        """
        x = float_tensor(self, x, self.weight.dtype)
        self._check_input_shape(tuple(x.shape))
        out = torch.einsum(self.equation, x, self.weight)
        return self.activation(out if self.bias_axes is None else out + self.bias)
