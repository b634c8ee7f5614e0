"""A model of ours on the inputs of a recording: outputs and each call of its layers, as they are and more exactly."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import torch_private
from ..base.layer import Layer
from ..models import InputLayer, Model
from ..structure import leaves, map_structure
from .plain_arithmetic import plain_arithmetic
from .rounding import rounded_within
from .states import Begun, beginning_with, final_states, tensors_in

MOVED = 2  # copies whose weights and inputs are moved by one unit in the last place, each in its own directions
NOT_DATA = ("mask", "training", "with_masks", "return_attention_scores", "use_causal_mask")


@dataclass(frozen=True)
class OurCall:
    """One call of a layer: its arguments as they reached it, its outputs, and states that are none of these."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Tensor]
    states: list[Tensor] = field(default_factory=list)

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that are data: by position, then by name."""
        named = [self.kwargs[name] for name in sorted(self.kwargs) if _is_data(name)]
        return [*tensors_in(self.args), *tensors_in(named)]

    @property
    def masks(self) -> list[Tensor | None]:
        """The masks of the inputs; None where an input has none."""
        names = [
            "mask",
            *(name for name in sorted(self.kwargs) if name.endswith("_mask") and name != "use_causal_mask"),
        ]
        given = [self.kwargs[name] for name in names if self.kwargs.get(name) is not None]
        return [mask if isinstance(mask, Tensor) else None for mask in leaves(given)]

    def given(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of this call with other data in the place of its own; a mask of None keeps its own.

        Each tensor comes in the dtype and on the device of the one that it stands for.
        """
        data, covers = iter(inputs), iter(masks)

        def swap(own: Any) -> Any:
            return next(data).to(own) if isinstance(own, Tensor) else own

        def cover(own: Any) -> Any:
            if own is None:
                return None
            other = next(covers)
            return other.to(own) if isinstance(own, Tensor) and other is not None else own

        args = map_structure(swap, self.args)
        kwargs: dict[str, Any] = {}
        for name in sorted(self.kwargs):
            if _is_data(name):
                kwargs[name] = map_structure(swap, self.kwargs[name])
            elif (name == "mask" or name.endswith("_mask")) and masks and self.kwargs[name] is not None:
                kwargs[name] = map_structure(cover, self.kwargs[name])
            else:
                kwargs[name] = self.kwargs[name]
        return args, kwargs


def _is_data(name: str) -> bool:
    return name not in NOT_DATA and not name.endswith("_mask")


@dataclass
class Run:
    """What a model has computed: its outputs, and by the path of each layer its calls."""

    outputs: list[Tensor] = field(default_factory=list)
    calls: dict[str, list[OurCall]] = field(default_factory=dict)


def layers_by_path(model: nn.Module, inside: str = "") -> dict[str, Layer]:
    """Every layer but the inputs by its path; those of a model inside behind its name: `encoder/lstm`."""
    found: dict[str, Layer] = {}
    if not isinstance(model, Model):
        return found
    for layer in model.layers:
        if isinstance(layer, InputLayer):
            continue
        found[f"{inside}{layer.name}"] = layer
        if isinstance(layer, Model) and layer._graph is not None:
            found.update(layers_by_path(layer, f"{inside}{layer.name}/"))
    return found


def run(
    module: nn.Module, inputs: Sequence[Tensor], watched: Mapping[str, Layer], begun: Mapping[str, Begun] | None = None
) -> Run:
    """Run a model or a module on one batch, in inference, and keep the calls of the layers that are watched.

    Args:
        module: The module.
        inputs: Its inputs.
        watched: Layers by their paths.
        begun: By the path of a layer the states that it begins with, where it is given none.
    """
    found = Run()

    def keep(path: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
            made = outputs[0] if kwargs.get("with_masks") else outputs
            states = final_states(watched[path], args, kwargs)
            found.calls.setdefault(path, []).append(OurCall(args, dict(kwargs), tensors_in(made), states))

        return hook

    handles = [layer.register_forward_hook(keep(path), with_kwargs=True) for path, layer in watched.items()]
    try:
        with beginning_with(begun or {}), torch.inference_mode():
            found.outputs = tensors_in(module(*inputs))
    finally:
        for handle in handles:
            handle.remove()
    return found


def copied(module: nn.Module) -> Any:
    """A copy of a module, with the hooks that change gradients of its parameters, which torch's copies lack."""
    made = copy.deepcopy(module)
    for own, other in zip(module.parameters(), made.parameters(), strict=True):
        for hook in torch_private.tensor_hooks(own) if other.requires_grad else ():
            other.register_hook(hook)
    return made


class Variants:
    """A model as it is, in float64, and moved by one unit in the last place: what rounding does to it can be seen.

    Args:
        model: The model; it is copied, and stays as it is.
        pads: Values that mean a masked step: they are not moved.
    """

    def __init__(self, model: nn.Module, pads: Sequence[float]) -> None:
        self.pads = tuple(pads)
        self.base = copied(model).eval()
        self.exact = exactly(self.base)
        self.moved = [moved_copy(self.base, number) for number in range(MOVED)]
        self.all = [self.base, self.exact, *self.moved]
        self.layers = [layers_by_path(module) for module in self.all]

    def inputs(self, tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        """The same inputs for each of the variants."""
        return [moved_inputs(tensors, number, self.pads) for number in range(2 + MOVED)]

    def run(
        self,
        arrays: Sequence[np.ndarray],
        device: torch.device,
        watch: bool,
        begun: Mapping[str, Sequence[np.ndarray]] | None = None,
    ) -> list[Run]:
        """Run all variants on one batch, from whatever states they keep.

        Args:
            arrays: The inputs.
            device: Where the model is.
            watch: Whether calls of layers are kept.
            begun: By the path of a layer the states that it begins with.
        """
        tensors = as_tensors(arrays, device)
        with plain_arithmetic():
            return [
                run(module, given, layers if watch else {}, states)
                for module, given, layers, states in zip(
                    self.all, self.inputs(tensors), self.layers, self.begun(begun or {}, device), strict=True
                )
            ]

    def begun(self, states: Mapping[str, Sequence[np.ndarray]], device: torch.device) -> list[dict[str, Begun]]:
        """For each of the variants the layers that begin with given states, and these, moved as inputs are."""
        made = {path: self.inputs(as_tensors(arrays, device)) for path, arrays in states.items()}
        return [
            {path: (layers[path], tensors[number]) for path, tensors in made.items() if path in layers}
            for number, layers in enumerate(self.layers)
        ]

    def reset_states(self) -> None:
        """Set what the variants keep between batches to zeros."""
        for module in self.all:
            if isinstance(module, Model) and module._keeps_states:
                module.reset_states()

    def alone(
        self, path: str, calls: Sequence[OurCall], inputs: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> list[list[Tensor]]:
        """The outputs of one layer, by each variant, for inputs of the reference's."""
        given = [torch.from_numpy(np.array(array)) for array in inputs]
        covers = [None if mask is None else torch.from_numpy(np.array(mask)) for mask in masks]
        found: list[list[Tensor]] = []
        with plain_arithmetic(), torch.inference_mode():
            for layers, call, tensors in zip(self.layers, calls, self.inputs(given), strict=True):
                layer = layers[path]
                if layer._keeps_states:  # those of the chain stay as they are for the batch that follows
                    layer = copied(layer)
                    layer.reset_states()  # type: ignore[attr-defined]
                args, kwargs = call.given(tensors, covers)
                found.append(tensors_in(layer._call_past_masks(*args, **kwargs)))
        return found


def exactly(module: nn.Module) -> Any:
    """A copy in float64."""
    return copied(module).double()


def moved_copy(module: nn.Module, number: int) -> Any:
    """A copy whose weights are moved by one unit in the last place, in directions of its own.

    At least by half a unit of the narrowest dtype that a layer computes in, to which "mixed_float16" rounds them.
    """
    made = copied(module)
    generator = torch.Generator().manual_seed(number)
    computed = [layer._computes_in for layer in made.modules() if isinstance(layer, Layer)]
    narrow = max((torch.finfo(dtype).eps / 2 for dtype in computed if dtype.is_floating_point), default=0.0)
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(moved(tensor, generator, narrow))
    for layer in made.modules():
        if isinstance(layer, Layer):
            rounded_within(layer, generator)
    return made


def moved_inputs(tensors: Sequence[Tensor], number: int, pads: Sequence[float]) -> list[Tensor]:
    """Inputs for one of the variants: 0 as they are, 1 in float64, 2 and so on moved by one unit in the last place."""
    if number == 0:
        return list(tensors)
    if number == 1:
        return [tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors]
    generator = torch.Generator().manual_seed(98 + number)
    return [moved_input(tensor, generator, pads) for tensor in tensors]


def as_tensors(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Tensors with the values of arrays, on a device."""
    return [torch.from_numpy(np.array(array)).to(device) for array in arrays]


def moved(tensor: Tensor, generator: torch.Generator, least: float = 0.0) -> Tensor:
    """A tensor of floats moved by one unit in the last place, or by `least` of it, up or down; zeros stay."""
    signs = torch.randint(0, 2, tensor.shape, generator=generator).to(tensor.device) * 2 - 1
    return tensor * (1 + signs.to(tensor.dtype) * max(torch.finfo(tensor.dtype).eps, least))


def moved_input(tensor: Tensor, generator: torch.Generator, pads: Sequence[float]) -> Tensor:
    """The same for an input. Whole numbers stay, which may be words, and so do `pads`."""
    if not tensor.is_floating_point():
        return tensor
    keep = tensor == tensor.round()
    for pad in pads:
        keep |= tensor == pad
    return torch.where(keep, tensor, moved(tensor, generator))


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor's values; those of bfloat16 as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
