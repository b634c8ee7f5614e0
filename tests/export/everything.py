"""Sweep by hand: every example of every layer as ONNX, as a program of torch alone, as a package and as a trace.

`PYTHONPATH=.:tests python -m export.everything onnx|torch|aot|trace [first [last]]` prints what fails, model by model.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from _close import apart
from make_leave_table import keep
from torch import Tensor

from export._examples import Case, Joined, arguments, cases, free
from export._onnx import quiet, ran
from kerastorch.export.program import with_torch_alone

Run = Callable[[Sequence[Tensor]], list[Any]]
SIZES = ((3, 4), (1, 2))  # of the batch, and how many steps more; the export sees two rows


def as_onnx(members: list[Case]) -> Run:
    """Through ONNX and onnxruntime."""
    args = arguments(members, 2, 0)
    with quiet():
        made = torch.onnx.export(
            Joined(members), tuple(args), dynamo=True, dynamic_shapes=(free(members),), verbose=False
        )
    data = made.model_proto.SerializeToString()
    return lambda args: ran(data, args)


def as_program(members: list[Case]) -> Run:
    """As a program of torch.export that knows no kerastorch."""
    args = arguments(members, 2, 0)
    with quiet():
        program = torch.export.export(Joined(members), tuple(args), dynamic_shapes=(free(members),))
    program = with_torch_alone(program)
    module = program.module()
    foreign = {
        str(node.target)
        for part in module.modules()
        if isinstance(part, torch.fx.GraphModule)
        for node in part.graph.nodes
        if "kerastorch" in str(node.target)
    }
    assert not foreign, foreign
    return lambda args: [part.detach().numpy() for part in module(*args)]


def as_package(members: list[Case]) -> Run:
    """As a package that AOTInductor compiles: minutes for a group."""
    args = arguments(members, 2, 0)
    with quiet(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        program = torch.export.export(Joined(members), tuple(args), dynamic_shapes=(free(members),))
        package = torch._inductor.aoti_compile_and_package(program, package_path=f"{folder}/package.pt2")
        run = torch._inductor.aoti_load_package(package)
    return lambda args: [part.numpy() for part in run(*args)]


def as_trace(members: list[Case]) -> Run:
    """As torch.jit.trace takes it; a trace holds for the number of steps that it saw."""
    module = Joined(members)
    args = arguments(members, 2, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, tuple(args), check_trace=False, strict=False)
    return lambda args: [part.detach().numpy() for part in traced(*args)]


WAYS = {"onnx": as_onnx, "torch": as_program, "aot": as_package, "trace": as_trace}


def gaps(members: list[Case], run: Run, sizes: Sequence[tuple[int, int]]) -> dict[str, str]:
    """By the key of a model: how far what is run lies from what the model computes."""
    found: dict[str, str] = {}
    for size in sizes:
        args = arguments(members, *size)
        joined = Joined(members)
        with torch.no_grad():
            outputs, mine = joined(*args), run(args)
        for key, theirs, ours in zip(joined.owners, outputs, mine, strict=True):
            gap = apart(np.asarray(ours), theirs.numpy())
            if gap:
                found[key] = f"{size}: {gap}"
    return found


def sweep(way: str, members: list[Case]) -> dict[str, str]:
    """What is wrong, by the key of a model; halves are tried apart, so that the one that fails is named."""
    sizes = [(3, 0), (1, 0)] if way == "trace" else SIZES
    try:
        return gaps(members, WAYS[way](members), sizes)
    except Exception as error:  # noqa: BLE001  # whatever torch or onnxruntime say
        if len(members) == 1:
            return {members[0].key: f"{type(error).__name__}: {str(error)[-400:]}"}
        half = len(members) // 2
        return sweep(way, members[:half]) | sweep(way, members[half:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    way, *rest = sys.argv[1:]
    everything = cases()[slice(*map(int, rest))] if rest else cases()
    print(len(everything), sum(None in shape[1:] for case in everything for shape in case.shapes), flush=True)
    for start in range(0, len(everything), 23):
        before = time.process_time()
        members = everything[start : start + 23]
        found = sweep(way, members)
        if way == "onnx":
            keep("examples of layers", {member.key: found.get(member.key) for member in members})
        print(start, round(time.process_time() - before, 1), json.dumps(found, indent=1), flush=True)
