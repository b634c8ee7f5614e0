"""The text of `model.py` and of its test."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import fx, nn

from . import helpers
from .naming import Names, constructor, helper_sources, reserved
from .printing import WIDTH, forward_lines, shape_text

_LOAD = '''\
def load(folder: str | Path = FOLDER) -> {name}:
    """The model with its trained weights, in evaluation mode."""
    model = {name}(){dtype}
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
{call}
{pairs}


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{{tuple(computed.shape)}}: largest difference {{(computed - recorded).abs().max():.1e}}")
'''
_ABOUT = (
    "Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;",
    "running this file computes a recorded example again.",
)
_TEST = '''\
"""The model computes what was recorded when its code was written."""

import torch

from model import replay


def test_the_recorded_example_is_computed() -> None:
    for computed, recorded in replay():
        # Rounding differs between processors; the largest value says how much.
        most = recorded.abs().max().item()
        torch.testing.assert_close(computed, recorded, rtol=0.0, atol={tolerance:.0e} * most)
'''


class ModuleText:
    """The text of one model."""

    def __init__(
        self, module: fx.GraphModule, name: str, origin: str | None, shapes: bool, import_helpers: bool
    ) -> None:
        self.module = module
        self.import_helpers = import_helpers
        self.origin = origin
        self.shapes = shapes
        self.names = Names()
        self.name = self._class_name(name)

    def _class_name(self, wanted: str) -> str:
        """The name of a class, which no other class, helper or import has."""
        taken = {*reserved(), *self.names.classes.values()}
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}Model" if number == 2 and f"{wanted}Model" not in taken else f"{wanted}{number}"
        return name

    def model(self) -> str:
        """All of `model.py`."""
        inner = [part for part in self.module.modules() if isinstance(part, fx.GraphModule) and part is not self.module]
        self.names.classes[self.module] = self.name
        lists = [part for part in self.module.modules() if isinstance(part, nn.ModuleList)]
        twins = {block for blocks in lists for block in list(blocks)[1:]}
        own = [part for part in inner if part not in twins]  # blocks of one list are one class
        for part in own:
            self.names.classes[part] = self._class_name(type(part).__name__)
        # The inner ones first: a class stands above those that use it.
        classes = [self._class(part) for part in [*reversed(own), self.module]]
        copied = [] if self.import_helpers else helper_sources(self.names.helpers, "\n".join(classes))
        parts = [*copied, *classes, self._load()]
        return "\n\n".join([self._head("\n".join(parts)), *(f"\n{part.rstrip()}" for part in parts)]) + "\n"

    def test(self) -> str:
        """All of `test_model.py`."""
        return _TEST.format(tolerance=_tolerance(self.module))

    def _head(self, rest: str) -> str:
        used = {node.id for node in ast.walk(ast.parse(rest)) if isinstance(node, ast.Name)}
        lines = [f'"""{self.name}: a model in plain PyTorch.']
        lines += ["", *textwrap.wrap(as_comment(self.origin), WIDTH)] if self.origin else []
        lines += ["", *_ABOUT, '"""', "", "from __future__ import annotations", ""]
        lines += ["import math"] if "math" in used else []
        lines += ["from collections.abc import Callable"] if "Callable" in used else []
        lines += ["from functools import partial"] if "partial" in used else []
        lines += ["from pathlib import Path", *(["from typing import Any"] if "Any" in used else []), ""]
        imported = sorted(self.names.helpers, key=lambda name: (name.islower(), name)) if self.import_helpers else []
        lines += ["import torch"]
        lines += wrapped(f"from kerastorch.leaving.helpers import {', '.join(imported)}", WIDTH) if imported else []
        lines += ["from safetensors.torch import load_file", "from torch import Tensor, nn"]
        lines += ["from torch.nn import functional as F"] if "F" in used else []
        return "\n".join([*lines, "", "FOLDER = Path(__file__).resolve().parent"])

    # ------------------------------------------------------------------ the classes

    def _class(self, module: fx.GraphModule) -> str:
        about = textwrap.wrap(f'"""{_summary(module)}"""', WIDTH - 4)
        about = [*about[:-1], about[-1].removesuffix('"""'), '"""'] if len(about) > 1 else about
        lines = [f"class {self.names.classes[module]}(nn.Module):", *(f"    {line}" for line in about if line), ""]
        lines += ["    def __init__(self) -> None:", "        super().__init__()"]
        for name, child in module.named_children():
            stack = getattr(child, "stack", None)
            made = f"self.{name} = {constructor(child, self.names)}" + (f"  # {', '.join(stack)}" if stack else "")
            lines += [f"        {line}" for line in wrapped(made, WIDTH - 8)]
            lines += [f"        {line}" for line in _frozen(name, child)]
        for name, value in module.named_parameters(recurse=False):
            frozen = "" if value.requires_grad else ", requires_grad=False"
            lines.append(f"        self.{name} = nn.Parameter(torch.zeros({_sizes(value)}){frozen})")
        for name, buffer in module.named_buffers(recurse=False):
            dtype = "" if buffer.dtype == torch.float32 else f", dtype={buffer.dtype}"
            lines.append(f'        self.register_buffer("{name}", torch.zeros({_sizes(buffer)}{dtype}))')
        lines += ["", *(f"    {line}" for line in wrapped(_signature(module), WIDTH - 4))]
        for line in forward_lines(module.graph, self.names, self.shapes, reserved()):
            indent = " " * (8 + len(line) - len(line.lstrip()))
            lines += [indent + part for part in wrapped(line.lstrip(), WIDTH - len(indent))]
        return "\n".join(lines)

    def _load(self) -> str:
        dtypes = {value.dtype for value in self.module.parameters() if value.is_floating_point()} - {torch.float32}
        dtype = f".to({next(iter(dtypes))})" if len(dtypes) == 1 else ""
        count = sum(1 for node in _inputs(self.module) if not node.args)
        given = ", ".join(f'example["input_{index}"]' for index in range(count))
        paths = list(_paths(self._result(), "output"))
        if len(paths) > 1 and paths == [f"output[{index}]" for index in range(len(paths))]:
            pairs = """return [(computed, example[f"output_{index}"]) for index, computed in enumerate(output)]"""
        else:
            pairs = f"return [{', '.join(f'({path}, example[{_quoted(index)}])' for index, path in enumerate(paths))}]"
        pairs = "\n".join(f"    {line}" for line in wrapped(pairs, WIDTH - 4))
        lines = wrapped(f"output = load()({given})", WIDTH - 8)
        if draws_in_evaluation(self.module):
            seed = "torch.manual_seed(0)  # dropout acts in evaluation, too"
            lines = ["model = load()", seed, *wrapped(f"output = model({given})", WIDTH - 8)]
        call = "\n".join(f"        {line}" for line in lines)
        return _LOAD.format(name=self.name, dtype=dtype, call=call, pairs=pairs)

    def _result(self) -> Any:
        """The outputs as the model returns them; states behind them are no part of the example."""
        output = _output(self.module)
        parts = output if isinstance(output, tuple) else ()
        states = any(isinstance(part, fx.Node) and part.meta.get("is_state") for part in parts)
        return (output[0],) if states else output


def draws_in_evaluation(module: nn.Module) -> bool:
    """Whether a part of the model stays as in training, where it may draw random numbers."""
    return any(isinstance(part, helpers.FixedMode) and part.fixed for part in module.modules())


def _tolerance(module: nn.Module) -> float:
    """Of the largest value, how far outputs may be off elsewhere: in half precision a few of its last places."""
    dtypes = {value.dtype for value in module.parameters() if value.is_floating_point()}
    dtypes |= {part.precision for part in module.modules() if isinstance(part, helpers.ComputesIn)}
    least = max((torch.finfo(dtype).eps for dtype in dtypes), default=0.0)
    return 1e-5 if least < 1e-5 else 10 * least


def _inputs(module: fx.GraphModule) -> list[fx.Node]:
    return [node for node in module.graph.nodes if node.op == "placeholder"]


def _output(module: fx.GraphModule) -> Any:
    return next(node for node in module.graph.nodes if node.op == "output").args[0]


def _signature(module: fx.GraphModule) -> str:
    inputs = (f"{node.target}: {_state_text(node)} | None = None" if node.args else f"{node.target}: Tensor"
              for node in _inputs(module))  # fmt: skip
    return f"def forward({', '.join(['self', *inputs])}) -> {_annotation(_output(module))}:"


def _summary(module: fx.GraphModule) -> str:
    parts = []
    for node in _inputs(module):
        if node.meta.get("shape") is not None:
            kind = str(node.meta["dtype"]).removeprefix("torch.")
            parts.append(f"{node.target}: {kind} {shape_text(node.meta['shape'])}")
    return f"{'; '.join(parts)}."


def as_comment(text: str) -> str:
    """Text of a file, such as its name, as it may stand in a docstring: it can end none and escape nothing."""
    return "".join(sign if sign.isprintable() and sign not in "\\\"'" else "?" for sign in text)


def _sizes(tensor: torch.Tensor) -> str:
    return ", ".join(map(str, tensor.shape)) if tensor.ndim else "()"


def _quoted(index: int) -> str:
    return f'"output_{index}"'


def _frozen(name: str, module: nn.Module, room: int = WIDTH - 8) -> Iterator[str]:
    """The lines that keep parameters from being trained, none of them longer than `room` for its comment."""
    if isinstance(module, fx.GraphModule) or (
        isinstance(module, nn.ModuleList) and isinstance(module[0], fx.GraphModule)
    ):
        return  # they stand in its class
    if isinstance(module, nn.ModuleList) and any(value.requires_grad for value in module.parameters()):
        inner = [f"    {line.removeprefix('self.')}" for line in _frozen("part", module[0], room - 4)]
        yield from [f"for part in self.{name}:", *inner] if inner else []
        return
    parameters = dict(module.named_parameters())
    frozen = [key for key, value in parameters.items() if not value.requires_grad]
    if frozen and len(frozen) == len(parameters):
        yield f"self.{name}.requires_grad_(False)"
        return
    for key in frozen:
        zero = key.rpartition(".")[2].startswith("bias_hh")
        why = f"# stays zero: the one bias is {key.replace('bias_hh', 'bias_ih')}" if zero else ""
        statement = f"self.{name}.{key}.requires_grad_(False)"
        line = f"{statement}  {why}".rstrip()
        yield from [line] if len(line) <= room else [why, statement]


def _annotation(value: Any) -> str:
    if isinstance(value, fx.Node):
        return _state_text(value) if value.meta.get("is_state") else "Tensor"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_annotation, value))}]"
    if isinstance(value, list):
        return f"list[{_annotation(value[0])}]" if value else "list[Tensor]"
    return f"dict[str, {_annotation(next(iter(value.values())))}]"


def _state_text(node: fx.Node) -> str:
    return "Tensor" if node.meta["is_state"] is torch.Tensor else "tuple[Tensor, Tensor]"


def _paths(value: Any, text: str) -> Iterator[str]:
    """The texts of the tensors in a nested result, in Keras's order."""
    if isinstance(value, fx.Node):
        yield text
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _paths(value[key], f"{text}[{json.dumps(key)}]")
    else:
        for index, item in enumerate(value):
            yield from _paths(item, f"{text}[{index}]")


def wrapped(line: str, width: int) -> list[str]:
    """A statement in lines of at most this width, as formatters break them."""
    code, mark, comment = line.partition("  # ")
    if len(line) <= width:
        return [line]
    if mark and len(code) <= width:
        return [f"# {comment}", code]
    above = [f"# {comment}"] if mark else []
    start, end = _outermost(code)
    if start is None:
        return [*above, code]
    head, inner, tail = code[: start + 1], code[start + 1 : end], code[end:]
    if len(inner) + 4 <= width:
        return [*above, head, f"    {inner}", tail]
    return [*above, head, *(part for item in _split(inner) for part in _comma(wrapped(f"{item},", width - 4))), tail]


def _comma(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _outermost(code: str) -> tuple[int | None, int]:
    """Where the last parentheses that are not in others begin and end; of a function's head those of its arguments."""
    start: int = 0
    found: tuple[int | None, int] = (None, 0)
    for place, sign, depth in _signs(code):
        if sign in "([{" and depth == 1:
            start = place
        elif sign in ")]}" and depth == 0:
            found = (start, place)
            if code.startswith("def "):
                break
    return found


def _split(inner: str) -> list[str]:
    """The parts of a list of arguments."""
    ends = [place for place, sign, depth in _signs(inner) if sign == "," and depth == 0]
    parts = [inner[begin + 1 : end].strip() for begin, end in pairwise([-1, *ends, len(inner)])]
    return [part for part in parts if part]


def _signs(code: str) -> Iterator[tuple[int, str, int]]:
    """The signs outside of strings, each with its place and how many brackets are open behind it."""
    depth, quote, escaped = 0, "", False
    for place, sign in enumerate(code):
        if quote:
            quote = "" if sign == quote and not escaped else quote
            escaped = sign == "\\" and not escaped
            continue
        if sign in "\"'":
            quote = sign
            continue
        depth += (sign in "([{") - (sign in ")]}")
        yield place, sign, depth
