"""The parity helper: one layer in real Keras and in kerastorch, everything compared, nothing averaged.

A case runs in Keras through the `keras_worker` fixture (which also makes the random weights and the random upstream
gradient) and here through `run_ours`; `differences` says where the two results part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import _close
import numpy as np
import torch
from _keras_worker import KerasWorker

from kerastorch import layers

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 4  # FEATURES == UNITS: a transposed kernel keeps its shape and must still show

# Rounding floors of outputs and of gradients, of the largest value of the array.
FORWARD = {"float32": _close.KERAS, "float64": _close.FLOAT64}
GRADIENT = {"float32": _close.KERAS_GRADIENT, "float64": _close.FLOAT64}

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One configuration of one layer, and the inputs that it is called with.

    Args:
        layer: Class name.
        config: Constructor arguments; wrapped layers as `{"class_name", "config"}`.
        shapes: Of the inputs.
        several: Whether the layer is called with the list of inputs.
        mask: Key of `MASKS`, or None.
        pass_mask: Whether the call takes the mask (else only `compute_mask` sees it).
        states: How many initial states to pass, `(BATCH, *state_size)` each.
        integers: Inputs are integers below this number, zero included.
        frameworks: Where the layer has these options.
    """

    id: str
    layer: str
    config: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((BATCH, TIME, FEATURES),)
    several: bool = False
    mask: str | None = None
    pass_mask: bool = True
    states: int = 0
    state_size: tuple[int, ...] = (UNITS,)
    training: bool = False
    dtype: str = "float32"
    integers: int | None = None
    calls: int = 1
    frameworks: tuple[str, ...] = ("keras3", "keras2")

    def __str__(self) -> str:
        return self.id


def mask_of(kind: str, batch: int = BATCH, time: int = TIME) -> Array:
    """A mask `(batch, time)`: padding on the right or the left, holes, a row without any step, or all steps."""
    rng = np.random.default_rng(7)
    steps = np.arange(time)
    lengths = np.array([1 + (row * 2 + 1) % time for row in range(batch)])[:, None]
    made = {
        "right": steps < lengths,
        "left": steps >= time - lengths,
        "holes": rng.random((batch, time)) < 0.55,
        "empty row": np.where(np.arange(batch)[:, None] == 1, False, rng.random((batch, time)) < 0.7),
        "full": np.ones((batch, time), bool),
        "none at all": np.zeros((batch, time), bool),
    }
    return made[kind]


MASKS = ("right", "left", "holes", "empty row", "full")


def arguments(case: Case) -> dict[str, Any]:
    """The keyword arguments of `workers.layers.run_layer` for a case."""
    rng = np.random.default_rng(11)
    if case.integers is not None:
        inputs = [rng.integers(0, case.integers, size=shape).astype("int32") for shape in case.shapes]
    else:
        inputs = [rng.normal(size=shape).astype(case.dtype) for shape in case.shapes]
    mask: Any = None
    if case.mask is not None:
        mask = mask_of(case.mask, *case.shapes[0][:2])
        if case.several:  # the second input gets another mask than the first
            mask = [mask, *(np.roll(mask, 1 + i, axis=1) for i in range(len(inputs) - 1))]
    return {
        "class_name": case.layer,
        "config": case.config,
        "inputs": inputs,
        "several": case.several,
        "mask": mask,
        "pass_mask": case.pass_mask,
        "initial_state": [
            rng.normal(size=(BATCH, *case.state_size)).astype(case.dtype) * 0.7 for _ in range(case.states)
        ]
        or None,
        "training": case.training,
        "dtype": case.dtype,
        "calls": case.calls,
        "seed": 3,
    }


def with_meaning_of(framework: str, config: Any) -> Any:
    """The config as kerastorch spells what it means in that framework."""
    if isinstance(config, Mapping):
        return {key: with_meaning_of(framework, value) for key, value in config.items()}
    if framework == "keras2" and isinstance(config, str) and config == "hard_sigmoid":
        return "hard_sigmoid_keras2"
    return config


def make_layer(class_name: str, config: Mapping[str, Any], dtype: str) -> Any:
    """Our layer from the same description."""
    made = dict(config)
    for key in ("layer", "backward_layer"):
        if isinstance(made.get(key), Mapping):
            made[key] = make_layer(made[key]["class_name"], made[key]["config"], dtype)
    return getattr(layers, class_name)(**made, dtype=dtype)


def flat(structure: Any) -> list[Any]:
    """The leaves of nested lists and tuples."""
    if isinstance(structure, list | tuple):
        return [leaf for part in structure for leaf in flat(part)]
    return [] if structure is None else [structure]


def flat_shapes(structure: Any) -> list[tuple[int | None, ...]]:
    if all(part is None or isinstance(part, int) for part in structure):
        return [tuple(structure)]
    return [shape for part in structure for shape in flat_shapes(part)]


def numpy(tensor: torch.Tensor | None) -> Array | None:
    return None if tensor is None else tensor.detach().numpy()


def run_ours(
    case: Case,
    reference: Mapping[str, Any],
    *,
    framework: str = "keras3",
    weights: Sequence[Array] | None = None,
    drop_mask: bool = False,
) -> dict[str, Any]:
    """Run our layer with the weights and the upstream gradient of `reference`.

    Args:
        weights: Other weights than those of `reference`, to plant a fault.
        drop_mask: Plant the fault that the mask never arrives.
    """
    given = arguments(case)
    layer = make_layer(case.layer, with_meaning_of(framework, case.config), case.dtype)
    shapes = [array.shape for array in given["inputs"]]
    free = [(None, *shape[1:]) for shape in shapes]
    layer.build(free if case.several else free[0])
    layer.set_weights(list(reference["weights"] if weights is None else weights))
    back = layer.get_weights()
    layer.train(case.training)
    xs = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in given["inputs"]]
    states = [torch.tensor(array, requires_grad=True) for array in given["initial_state"] or ()]
    masks = [torch.tensor(m) for m in flat(given["mask"])]
    mask = None if not masks or drop_mask else masks if case.several else masks[0]
    x = xs if case.several else xs[0]
    keywords: dict[str, Any] = {}
    if mask is not None and case.pass_mask:
        keywords["mask"] = mask
    if states:
        keywords["initial_state"] = states
    for _ in range(case.calls):
        for leaf in (*xs, *states, *layer.parameters()):
            leaf.grad = None
        outputs = flat(layer(x, **keywords))
        total = sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=False))
        if total.requires_grad:
            total.backward()
    return {
        "outputs": [numpy(y) for y in outputs],
        "weights_back": back,
        "weights_after": layer.get_weights(),
        "grads_weights": layer.get_gradients(),
        "grads_inputs": [numpy(x.grad) for x in xs if x.requires_grad],
        "grads_initial_state": [numpy(state.grad) for state in states],
        "output_shape": flat_shapes(layer.compute_output_shape(free if case.several else free[0])),
        "params": layer.count_params(),
        "mask_out": [numpy(m) for m in flat(layer.compute_mask(x, mask))],
    }


def differences(
    reference: Mapping[str, Any],
    ours: Mapping[str, Any],
    dtype: str = "float32",
    *,
    exact_reference: Mapping[str, Any] | None = None,
    by_the_largest: bool = False,
) -> list[str]:
    """Everything in which our result differs from Keras's, as sentences; empty if they agree.

    Args:
        exact_reference: Keras's result for the same case in float64. What rounding does to Keras's own arrays counts
            then, where it is more than the floor.
        by_the_largest: Measure every gradient by the largest of all: one number alone may be what is left of a sum of
            terms of that size.
    """
    found: list[str] = []
    ours = {"weights": ours["weights_back"], **ours}

    def exact(key: str) -> None:
        if reference[key] != ours[key]:
            found.append(f"{key}: Keras has {reference[key]}, kerastorch {ours[key]}")

    def arrays(key: str, floor: float) -> None:
        theirs, mine = reference[key], ours[key]
        if len(theirs) != len(mine):
            found.append(f"{key}: Keras has {len(theirs)}, kerastorch {len(mine)}")
            return
        for index, (a, b) in enumerate(zip(theirs, mine, strict=True)):
            judge = exact_reference[key][index] if floor and exact_reference is not None else None
            text = difference(a, b, floor, judge, gradients if key.startswith("grads") else ())
            if text and by_the_largest and key.startswith("grads") and a is not None and b is not None:
                text = _close.apart(b, a, floor, exact=judge, scale=max(float(np.abs(g).max()) for g in gradients))
            if text:
                found.append(f"{key}[{index}]: {text}")

    kinds = ("grads_inputs", "grads_initial_state", "grads_weights")
    gradients = [array for key in kinds for array in reference[key] if array is not None]
    exact("params")
    exact("output_shape")
    arrays("weights", 0.0)  # set_weights and get_weights move values, they compute nothing
    arrays("mask_out", 0.0)
    arrays("outputs", FORWARD[dtype])
    arrays("weights_after", FORWARD[dtype])
    for key in kinds:
        arrays(key, GRADIENT[dtype])
    return found


def difference(
    theirs: Array | None, mine: Array | None, floor: float, exact: Array | None = None, beside: Sequence[Array] = ()
) -> str | None:
    """What separates two arrays, or None. No gradient at all counts as zeros.

    Args:
        floor: The rounding floor, of the largest value of `theirs`.
        exact: Keras's array in float64.
        beside: Other gradients, by which one that is zero by its formula is measured.
    """
    if theirs is None and mine is None:
        return None
    theirs = np.zeros_like(mine) if theirs is None else theirs
    mine = np.zeros_like(theirs) if mine is None else mine
    if theirs.dtype != mine.dtype:
        return f"Keras has dtype {theirs.dtype}, kerastorch {mine.dtype}"
    scale = _close.scale_beside(theirs, beside, floor) if beside else 0.0
    return _close.apart(mine, theirs, floor, exact=exact, scale=scale)


def assert_parity(worker: KerasWorker, framework: str, case: Case) -> dict[str, Any]:
    """Run a case on both sides and fail with every difference; return Keras's result."""
    reference = worker.call(framework, "layers:run_layer", **arguments(case))
    found = differences(reference, run_ours(case, reference, framework=framework), case.dtype)
    assert not found, f"{case.layer}({dict(case.config)}) against {framework}:\n" + "\n".join(found)
    return reference


def parameters(cases: Sequence[Case]) -> list[Any]:
    """`(framework, case)` for pytest, with readable ids that must be unique."""
    import pytest

    made = [pytest.param(name, case, id=f"{name}-{case.id}") for case in cases for name in case.frameworks]
    assert len({param.id for param in made}) == len(made), "two cases have one id"
    return made


def variants(case: Case, name: str, options: Mapping[str, Any] | None = None, **changes: Any) -> Case:
    """The case with more constructor arguments and other fields."""
    return replace(case, id=f"{case.id} {name}", config={**case.config, **(options or {})}, **changes)
