"""The step loop for `torch.export`: one node for any number of steps, where a Python loop would fix their number."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ..torch_private import scan

States = tuple[Tensor, ...]


def scan_steps(
    cell: Callable[[Tensor, States], States], gates_x: Tensor, states: States, mask: Tensor | None
) -> tuple[Tensor, States]:
    """Run `cell` over the steps of `gates_x` `(T, B, G*U)`; a masked step keeps the states.

    Returns:
        the first state after each step `(B, T, U)`, final states.
    """
    # The free sizes go into the loop by themselves: AOTInductor allocates the outputs by what it finds there.
    sizes = tuple(states[0].shape)

    def step(carry: States, inputs: tuple[Tensor, ...]) -> tuple[States, Tensor]:
        gates, *use = inputs
        new = cell(gates, carry)
        if use:
            new = tuple(torch.where(use[0], value, old) for value, old in zip(new, carry, strict=True))
        return new, new[0].clone().view(sizes)  # the parts of a result may not share memory

    steps = (gates_x,) if mask is None else (gates_x, mask.transpose(0, 1).unsqueeze(-1))
    carry = tuple(state.clone() for state in states)
    if torch.compiler.is_dynamo_compiling():
        last, outputs = scan(step, carry, steps)
    else:
        with warnings.catch_warnings():
            # Dynamo looks at the .grad of everything that it is given, and torch's scan asks for a compilation.
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor", category=UserWarning)
            warnings.filterwarnings("ignore", message="torch.compile is ignored", category=UserWarning)
            last, outputs = scan(step, carry, steps)
    # As rows of steps: what works on each value in the order of the loop would take its memory, and then torch 2.13
    # writes C++ for AOTInductor that declares a name twice.
    return outputs.transpose(0, 1).contiguous(), last
