"""The text of `model.py` and of its test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import fx, nn

from .naming import Names, constructor, helper_sources
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
        torch.testing.assert_close(computed, recorded, rtol=0.0, atol=1e-5 * most)
'''


class ModuleText:
    """The text of one model."""

    def __init__(self, module: fx.GraphModule, name: str, origin: str | None, shapes: bool) -> None:
        self.module = module
        self.name = name
        self.origin = origin
        self.shapes = shapes
        self.names = Names()

    def model(self) -> str:
        """All of `model.py`."""
        body = self._class()
        end = self._load()
        helpers = helper_sources(self.names.helpers)
        parts = [*helpers, body, end]
        return "\n\n".join([self._head("\n".join(parts)), *(f"\n{part.rstrip()}" for part in parts)]) + "\n"

    def test(self) -> str:
        """All of `test_model.py`."""
        return _TEST

    def _head(self, rest: str) -> str:
        lines = [f'"""{self.name}: a model in plain PyTorch.']
        lines += ["", self.origin] if self.origin else []
        lines += [
            "",
            "Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;",
        ]
        lines += [
            "running this file computes a recorded example again.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
        ]
        used = [name for name in ("math",) if f"{name}." in rest]
        lines += [f"import {name}" for name in used]
        if "Callable[" in rest:
            lines.append("from collections.abc import Callable")
        if "partial(" in rest:
            lines.append("from functools import partial")
        lines.append("from pathlib import Path")
        if "Any" in rest:
            lines.append("from typing import Any")
        lines += ["", "import torch", "from safetensors.torch import load_file", "from torch import Tensor, nn"]
        if " F." in rest or "(F." in rest or "=F." in rest or "-F." in rest:
            lines.append("from torch.nn import functional as F")
        return "\n".join([*lines, "", "FOLDER = Path(__file__).resolve().parent"])

    # ------------------------------------------------------------------ the class

    def _class(self) -> str:
        lines = [f"class {self.name}(nn.Module):", f'    """{self._summary()}"""', ""]
        lines += ["    def __init__(self) -> None:", "        super().__init__()"]
        for name, child in self.module.named_children():
            lines += [
                f"        {line}" for line in wrapped(f"self.{name} = {constructor(child, self.names)}", WIDTH - 8)
            ]
            lines += [f"        {line}" for line in _frozen(name, child)]
        for name, value in self.module.named_parameters(recurse=False):
            frozen = "" if value.requires_grad else ", requires_grad=False"
            lines.append(f"        self.{name} = nn.Parameter(torch.zeros({_sizes(value)}){frozen})")
        for name, buffer in self.module.named_buffers(recurse=False):
            dtype = "" if buffer.dtype == torch.float32 else f", dtype={buffer.dtype}"
            lines.append(f'        self.register_buffer("{name}", torch.zeros({_sizes(buffer)}{dtype}))')
        lines += ["", *(f"    {line}" for line in wrapped(self._signature(), WIDTH - 4))]
        for line in forward_lines(self.module.graph, self.names, self.shapes):
            lines += [f"        {part}" for part in wrapped(line, WIDTH - 8)]
        return "\n".join(lines)

    def _inputs(self) -> list[fx.Node]:
        return [node for node in self.module.graph.nodes if node.op == "placeholder"]

    def _output(self) -> Any:
        return next(node for node in self.module.graph.nodes if node.op == "output").args[0]

    def _signature(self) -> str:
        arguments = ["self"]
        for node in self._inputs():
            arguments.append(f"{node.target}: Tensor" if not node.args else f"{node.target}: Any = None")
        return f"def forward({', '.join(arguments)}) -> {_annotation(self._output())}:"

    def _summary(self) -> str:
        parts = []
        for node in self._inputs():
            if node.meta.get("shape") is not None:
                kind = str(node.meta["dtype"]).removeprefix("torch.")
                parts.append(f"{node.target}: {kind} {shape_text(node.meta['shape'])}")
        return f"{'; '.join(parts)}."

    def _load(self) -> str:
        dtypes = {value.dtype for value in self.module.parameters() if value.is_floating_point()} - {torch.float32}
        dtype = f".to({next(iter(dtypes))})" if len(dtypes) == 1 else ""
        count = sum(1 for node in self._inputs() if not node.args)
        given = ", ".join(f'example["input_{index}"]' for index in range(count))
        paths = list(_paths(self._result(), "output"))
        if len(paths) > 1 and paths == [f"output[{index}]" for index in range(len(paths))]:
            pairs = """return [(computed, example[f"output_{index}"]) for index, computed in enumerate(output)]"""
        else:
            pairs = f"return [{', '.join(f'({path}, example[{_quoted(index)}])' for index, path in enumerate(paths))}]"
        pairs = "\n".join(f"    {line}" for line in wrapped(pairs, WIDTH - 4))
        return _LOAD.format(name=self.name, dtype=dtype, call=f"output = load()({given})", pairs=pairs)

    def _result(self) -> Any:
        """The outputs as the model returns them; states behind them are no part of the example."""
        output = self._output()
        parts = output if isinstance(output, tuple) else ()
        states = any(isinstance(part, fx.Node) and part.meta.get("is_state") for part in parts)
        return (output[0],) if states else output


def _sizes(tensor: torch.Tensor) -> str:
    return ", ".join(map(str, tensor.shape)) if tensor.ndim else "()"


def _quoted(index: int) -> str:
    return f'"output_{index}"'


def _frozen(name: str, module: nn.Module) -> Iterator[str]:
    """The lines that keep parameters from being trained."""
    parameters = dict(module.named_parameters())
    frozen = [key for key, value in parameters.items() if not value.requires_grad]
    if frozen and len(frozen) == len(parameters):
        yield f"self.{name}.requires_grad_(False)"
        return
    for key in frozen:
        zero = key.startswith("bias_hh")
        yield f"self.{name}.{key}.requires_grad_(False)" + ("  # zero: one bias is trained" if zero else "")


def _annotation(value: Any) -> str:
    if isinstance(value, fx.Node):
        return "Any" if value.meta.get("is_state") else "Tensor"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_annotation, value))}]"
    if isinstance(value, list):
        return f"list[{_annotation(value[0])}]" if value else "list[Tensor]"
    return f"dict[str, {_annotation(next(iter(value.values())))}]"


def _paths(value: Any, text: str) -> Iterator[str]:
    """The texts of the tensors in a nested result, in Keras's order."""
    if isinstance(value, fx.Node):
        yield text
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _paths(value[key], f'{text}["{key}"]')
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
    """Where the last parentheses that are not in others begin and end."""
    start: int = 0
    found: tuple[int | None, int] = (None, 0)
    for place, sign, depth in _signs(code):
        if sign in "([{" and depth == 1:
            start = place
        elif sign in ")]}" and depth == 0:
            found = (start, place)
    return found


def _split(inner: str) -> list[str]:
    """The parts of a list of arguments."""
    ends = [place for place, sign, depth in _signs(inner) if sign == "," and depth == 0]
    parts = [inner[begin + 1 : end].strip() for begin, end in pairwise([-1, *ends, len(inner)])]
    return [part for part in parts if part]


def _signs(code: str) -> Iterator[tuple[int, str, int]]:
    """The signs outside of strings, each with its place and how many brackets are open behind it."""
    depth, quote = 0, ""
    for place, sign in enumerate(code):
        if quote:
            quote = "" if sign == quote and code[place - 1] != "\\" else quote
            continue
        if sign in "\"'":
            quote = sign
            continue
        depth += (sign in "([{") - (sign in ")]}")
        yield place, sign, depth
