"""Nested shapes: walking them, and finding the output shape of a layer that does not say it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..errors import ArgumentError, KerasTorchError
from ..structure import count_shapes, leaves, like, map_shapes, map_structure
from .call_arguments import inputs_of
from .graph import SymbolicTensor, shapes_of
from .penalties import unseen
from .protocol import AnyLayer
from .variables import UnbuiltParameter
from .weighted import Weighted, repr_of


@dataclass(frozen=True)
class Stand:
    """What is known of a tensor that a layer was called on in a graph; unlike a symbolic tensor it can be copied."""

    shape: tuple[int | None, ...]
    dtype: torch.dtype


def stands_for(call: tuple[tuple[Any, ...], dict[str, Any]]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call on symbolic tensors, with a `Stand` for each of those."""
    return map_structure(lambda leaf: Stand(leaf.shape, leaf.dtype) if isinstance(leaf, SymbolicTensor) else leaf, call)


# What stands in the place of lengths that are not known. Three at a time: two of them can hold equally many windows.
# Longer ones are for windows that are longer than the first. A batch stays small.
_LENGTHS = ((7, 11, 131), (131, 263, 1033), (8209, 16411, 32771))
_ROWS = (7, 11, 13)


def infer_output_shape(layer: AnyLayer, input_shape: Any) -> Any:
    """Run the layer on meta tensors; sizes that follow an unknown input size come out as None."""
    return infer_outputs(layer, input_shape)[0]


def infer_outputs(layer: AnyLayer, input_shape: Any, input_dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """The shapes and the dtypes of the outputs, found by running the layer on tensors without data.

    Further arguments are as in the layer's latest call in a graph, and so are dtypes that are not given. Where there
    was no call, the input is of the layer's dtype, or integers if the layer does not run on that.

    Raises:
        ArgumentError: The layer does not run on such tensors.
    """
    if not layer._built:
        layer._build_for_call(input_shape)
    return _with_dtypes(layer, input_shape, input_dtype, _infer)


def build_inside(layer: AnyLayer, input_shape: Any) -> None:
    """Build the layers inside a layer that builds them by calling them: run it once, on one row of zeros."""
    if any(isinstance(parameter, UnbuiltParameter) for parameter in layer.parameters()):
        _with_dtypes(layer, input_shape, None, _run_once)


def build_what_is_inside(layer: AnyLayer, input_shape: Any) -> None:
    """`build_inside` in a graph: what does not run on zeros builds what is inside in its first call."""
    with contextlib.suppress(ArgumentError):
        build_inside(layer, input_shape)


def _with_dtypes(layer: AnyLayer, input_shape: Any, input_dtype: torch.dtype | None, run: Callable[..., Any]) -> Any:
    """`run` with the call that is known, and with dtypes of the inputs with which the layer runs."""
    args, kwargs = layer._called_on or ((None,), {})
    taken = [] if layer._called_on is None else leaves(inputs_of(layer, args, kwargs))
    known = [leaf.dtype for leaf in taken if isinstance(leaf, (Stand, Tensor))]  # a constant is a tensor
    count = count_shapes(input_shape)
    if input_dtype is not None:
        candidates = [[input_dtype] * count]
    else:
        candidates = [known] if len(known) == count else [[layer.dtype] * count, [torch.int64] * count]
    options = [kwargs]
    if layer._takes_mask and layer.supports_masking and kwargs.get("mask") is None:
        # Somebody's code may rely on the mask that the graph brings it.
        options.append({**kwargs, "mask": map_shapes(lambda shape: Stand(shape[:2], torch.bool), input_shape)})
    problem: Exception | None = None
    for dtypes, given in itertools.product(candidates, options):
        try:
            return _with_lengths(lambda lengths: run(layer, input_shape, dtypes, args[1:], given, lengths))  # noqa: B023
        except KerasTorchError:
            raise
        except _TROUBLE as error:
            problem = problem or error
    raise ArgumentError(
        f"{repr_of(layer)}: its output shape for input {input_shape} is not known, and running it on tensors without "
        f"data (on the meta device) did not tell: {type(problem).__name__}: {problem}. Define compute_output_shape; "
        "for a function use layers.Lambda(function, output_shape=...)."
    ) from problem


# What somebody's code raises on tensors that it cannot work with.
_TROUBLE = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)


def _filled(
    layer: AnyLayer,
    input_shape: Any,
    dtypes: list[torch.dtype],
    rest: Any,
    kwargs: Any,
    rows: int,
    length: int,
    make: Callable[[list[int], torch.dtype], Tensor],
) -> tuple[Any, Any]:
    """The arguments of a call with what `make` makes for its tensors, and sizes for those that are not known."""

    def sized(shape: Any, dtype: torch.dtype) -> Tensor:
        sizes = [(length if axis else rows) if size is None else size for axis, size in enumerate(shape)]
        return make(sizes, dtype)

    def fill(leaf: Any) -> Any:
        return sized(leaf.shape, leaf.dtype) if isinstance(leaf, Stand) else leaf

    left = iter(dtypes)
    first = map_shapes(lambda shape: sized(shape, next(left)), input_shape)
    names = layer._call_arguments.tensors
    if names:  # the layer takes its tensors one by one
        return tuple(first), map_structure(fill, {key: value for key, value in kwargs.items() if key not in names})
    return (first, *map_structure(fill, rest)), map_structure(fill, kwargs)


def _run_once(
    layer: AnyLayer, input_shape: Any, dtypes: list[torch.dtype], rest: Any, kwargs: Any, lengths: tuple[int, ...]
) -> None:
    """Call the layer with values, on one row of zeros, so that what is inside it is built; states stay as they were."""
    before = {id(module) for module in layer.modules() if getattr(module, "_built", False)}
    device = next((p.device for p in layer.parameters() if isinstance(p, UnbuiltParameter)), layer._on_device)
    with _evaluating(layer), torch.no_grad():
        args, options = _filled(
            layer, input_shape, dtypes, rest, kwargs, 1, lengths[0], lambda sizes, dtype: _zeros(sizes, dtype, device)
        )
        layer(*args, **options)
    for module in layer.modules():
        if isinstance(module, Weighted) and id(module) not in before:
            module._forget_states()


def _infer(
    layer: AnyLayer, input_shape: Any, dtypes: list[torch.dtype], rest: Any, kwargs: Any, lengths: tuple[int, ...]
) -> tuple[Any, Any]:
    def run(place: int, on_numbers: bool = False, seed: int = 0) -> Any:
        numbers = _Numbers(layer, seed if seed else place) if on_numbers else None
        make = numbers.make if numbers else lambda sizes, dtype: _zeros(sizes, dtype, "meta")
        args, options = _filled(layer, input_shape, dtypes, rest, kwargs, _ROWS[place], lengths[place], make)
        return _run(layer, args, options, numbers)

    inner = next((p for p in layer.parameters() if isinstance(p, UnbuiltParameter)), None)
    if inner is not None and not inner.is_meta:
        _run_once(layer, input_shape, dtypes, rest, kwargs, lengths)
    places = range(3 if _has_unknown_length((input_shape, rest, kwargs)) else 2)
    try:
        found = [run(place) for place in places]
    except NotImplementedError:  # torch has no such version of an operation
        found = [run(place, on_numbers=True) for place in places]
        # The same sizes with other numbers: what differs then follows from the numbers.
        with contextlib.suppress(*_TROUBLE):
            found.append(run(0, on_numbers=True, seed=len(_ROWS)))
    shapes = shapes_of(found[0])
    for other in found[1:]:
        shapes = _none_where_different(shapes, iter(leaves(shapes_of(other))))
    return shapes, map_structure(lambda leaf: leaf.dtype if isinstance(leaf, Tensor) else None, found[0])


def _zeros(sizes: list[int], dtype: torch.dtype, device: torch.device | str) -> Tensor:
    return torch.zeros(sizes, device=device, dtype=dtype)


def _with_lengths(run: Callable[[tuple[int, ...]], Any]) -> Any:
    """`run` with the first lengths with which it runs: what is wrong with the longest ones is said if none will do."""
    for lengths in _LENGTHS[:-1]:
        with contextlib.suppress(*_TROUBLE, KerasTorchError):
            return run(lengths)
    return run(_LENGTHS[-1])


def _has_unknown_length(arguments: Any) -> bool:
    """Whether a size behind the batch axis is not known."""
    input_shape, *others = arguments
    shapes = [leaf.shape for leaf in leaves(others) if isinstance(leaf, Stand)]
    map_shapes(shapes.append, input_shape)
    return any(None in shape[1:] for shape in shapes)


def run_on_meta(layer: AnyLayer, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call a built layer on tensors of the meta device: what comes has shapes, and no values."""
    return _run(layer, args, options, None)


def _run(layer: AnyLayer, args: tuple[Any, ...], options: dict[str, Any], numbers: _Numbers | None) -> Any:
    state = {name: numbers.of(tensor) if numbers else tensor.to("meta") for name, tensor in _tensors(layer)}
    with _evaluating(layer), numbers.around() if numbers else _AllOnMeta():
        # Each tensor has all its places in `state`. Torch's own ties would exchange a layer that stands under two
        # names twice, and leave it without values.
        return torch.func.functional_call(layer, state, args, options, tie_weights=False)


class _Numbers:
    """What a layer is run on where tensors without data will not do: random floats, and integers that index any table.

    Args:
        layer: Its weights are taken as they are, its buffers copied: what the run writes is not kept.
        seed: Of the floats; integers and booleans are zeros, with the seed of a repeated run ones.
    """

    def __init__(self, layer: AnyLayer, seed: int) -> None:
        self.device = torch.device("cpu") if layer._on_device.type == "meta" else layer._on_device
        self.generator = torch.Generator().manual_seed(seed)
        self.integer = int(seed == len(_ROWS))

    def make(self, sizes: list[int], dtype: torch.dtype) -> Tensor:
        if not dtype.is_floating_point:
            return torch.full(sizes, self.integer, device=self.device, dtype=dtype)
        return torch.randn(sizes, generator=self.generator, device="cpu").to(self.device, dtype)

    def of(self, tensor: Tensor) -> Tensor:
        if tensor.is_meta:
            return _zeros(list(tensor.shape), tensor.dtype, self.device)
        return tensor.detach() if isinstance(tensor, torch.nn.Parameter) else tensor.detach().clone()

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """Where it is run: torch's own random numbers go on afterwards as if it had not been."""
        with torch.random.fork_rng(devices=[]), torch.device(self.device), torch.no_grad():
            yield


@contextlib.contextmanager
def _evaluating(layer: AnyLayer) -> Iterator[None]:
    """Every layer in evaluation mode, and afterwards in the one that it had; no penalties are noted."""
    modes = [(module, module.training) for module in layer.modules()]
    try:
        layer.eval()
        with unseen():
            yield
    finally:
        for module, training in modes:
            module.training = training


class _AllOnMeta(TorchFunctionMode):
    """Constants of somebody's code that meet a tensor without data have none either."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        met = {leaf.is_meta for leaf in leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        if len(met) > 1:
            args, kwargs = map_structure(
                lambda leaf: leaf.to("meta") if isinstance(leaf, Tensor) else leaf, (args, kwargs)
            )
        return func(*args, **kwargs)


def _tensors(layer: AnyLayer) -> Iterator[tuple[str, Tensor]]:
    """Each tensor in each module that holds it, and each module under one of its names."""
    for prefix, module in layer.named_modules():
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None and not isinstance(tensor, UnbuiltParameter):
                yield f"{prefix}.{name}" if prefix else name, tensor


def _none_where_different(first: Any, second: Any) -> Any:
    if first is None or isinstance(first, int):
        return first if first == next(second) else None
    if isinstance(first, dict):
        return {key: _none_where_different(item, second) for key, item in first.items()}
    return like(first, (_none_where_different(item, second) for item in first))
