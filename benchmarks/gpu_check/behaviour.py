"""What may go wrong on a device although the numbers of a plain call are right."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from agreement import BATCH, BOUNDS, FEATURES, STEPS, UNITS, distance, everything, filled, masks
from rows import Rows
from torch import Tensor, nn

from kerastorch import layers
from kerastorch.kernels import cudnn

FLOAT32 = 2 * BOUNDS[torch.float32]


def behaviour(rows: Rows, device: torch.device, dry: bool) -> None:
    for check in (_flat_layout, _states, _sizes, _moves, _policies, _compiled):
        check(rows, device, dry)
    if device.type == "cuda":
        _graphs(rows, device)


def _layer(device: torch.device, cls: Callable[..., Any] = layers.LSTM, **config: Any) -> Any:
    return filled(cls(UNITS, **config)).to(device)


def _x(device: torch.device, batch: int = BATCH, steps: int = STEPS) -> Tensor:
    return torch.randn(batch, steps, FEATURES, generator=torch.Generator().manual_seed(5)).to(device)


def _flat_layout(rows: Rows, device: torch.device, dry: bool) -> None:
    """The layout that torch states, with the column that a mask adds to the inputs too."""
    for features in (FEATURES, FEATURES + 1):
        for name in ("lstm", "gru", "rnn_tanh"):
            for both in (False, True):
                title = f"layout of {name}, {features} features, {'two directions' if both else 'one direction'}"
                with rows.guarded(title):
                    found = cudnn.layout(name, features, UNITS, both, torch.float32, device)
                    rows.add(title, found, "on CUDA: one array", (found is not None) == (device.type == "cuda"))


def _states(rows: Rows, device: torch.device, dry: bool) -> None:
    with rows.guarded("states cut out of a larger tensor"):
        layer, x = _layer(device), _x(device)
        states = torch.randn(BATCH, 2 * UNITS, device=device).chunk(2, dim=-1)
        whole = layer(x, initial_state=[state.clone() for state in states])
        rows.gap("states cut out of a larger tensor", distance([layer(x, initial_state=states)], [whole]), FLOAT32)
    with rows.guarded("stateful"):
        layer = filled(layers.LSTM(UNITS, stateful=True), BATCH).to(device)
        x = _x(device)
        first, second = layer(x[:, :4]), layer(x[:, 4:])
        plain = _layer(device)
        rows.gap("stateful", distance([second], [plain(x)]), FLOAT32)
        differs = bool((first - second).abs().max() > 0)
        rows.add("stateful: the first part differs", differs, "True", differs)


def _sizes(rows: Rows, device: torch.device, dry: bool) -> None:
    sizes = {"batch of 0": (0, STEPS), "one step": (BATCH, 1)}
    if not dry:
        sizes["65,536 rows"] = (65_536, 3)
    for name, (batch, steps) in sizes.items():
        for cls in (layers.LSTM, layers.GRU):
            title = f"{name}, {cls.__name__}"
            with rows.guarded(title):
                layer, x = _layer(device, cls), _x(device, batch, steps)
                expected = everything(copy.deepcopy(layer).cpu(), x.cpu(), None, batch > 0)
                rows.gap(title, distance(everything(layer, x, None, batch > 0), expected), FLOAT32)
    if not dry:
        with rows.guarded("1,024 units"):
            layer = filled(layers.LSTM(1024)).to(device)
            x = _x(device)
            rows.gap("1,024 units", distance([layer(x)], [copy.deepcopy(layer).cpu()(x.cpu())]), 4 * FLOAT32)


def _moves(rows: Rows, device: torch.device, dry: bool) -> None:
    x, mask = _x(device), masks()["holes"]
    given = None if mask is None else mask.to(device)

    def stepped(layer: Any) -> Any:
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(x, mask=given).square().sum().backward()
        optimizer.step()
        return layer

    def loaded(layer: Any) -> Any:
        other = layers.LSTM(UNITS)
        other.build((None, None, FEATURES))
        other.to(device).load_state_dict(layer.state_dict())
        return other

    changes: dict[str, Callable[[Any], Any]] = {
        "deepcopy": copy.deepcopy,
        "to the CPU and back": lambda layer: layer.cpu().to(device),
        "load_state_dict": loaded,
        "an optimizer step": stepped,
    }
    for name, change in changes.items():
        with rows.guarded(f"after {name}"):
            layer = change(_layer(device))
            reference = filled(layers.LSTM(UNITS))
            reference.load_state_dict({key: value.cpu() for key, value in layer.state_dict().items()})
            expected = everything(reference, x.cpu(), mask, True)
            rows.gap(f"after {name}", distance(everything(layer, x, given, True), expected), FLOAT32)


def _policies(rows: Rows, device: torch.device, dry: bool) -> None:
    x = _x(device)
    expected = [_layer(torch.device("cpu"))(x.cpu())]
    bound = BOUNDS[torch.bfloat16]
    with rows.guarded("mixed_bfloat16"):
        layer = filled(layers.LSTM(UNITS, dtype="mixed_bfloat16")).to(device)
        rows.gap("mixed_bfloat16", distance([layer(x)], expected), bound)
    with rows.guarded("autocast"), torch.autocast(device.type, torch.bfloat16):
        rows.gap("autocast", distance([_layer(device)(x)], expected), bound)


def _compiled(rows: Rows, device: torch.device, dry: bool) -> None:
    with rows.guarded("torch.compile"):
        layer, x = _layer(device), _x(device)
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        rows.gap("torch.compile", distance([compiled(x)], [layer(x)]), FLOAT32)


def _graphs(rows: Rows, device: torch.device) -> None:
    """A captured CUDA graph, replayed on other inputs."""
    mask = masks()["holes"]
    given_mask = None if mask is None else mask.to(device)
    cases: dict[str, tuple[Tensor | None, bool]] = {
        "plain": (None, False),
        "masked": (given_mask, False),
        "stateful": (None, True),
    }
    for name, (given, stateful) in cases.items():
        with rows.guarded(f"CUDA graph, {name}"), torch.no_grad():
            buffer = _x(device)
            layer = filled(layers.LSTM(UNITS, stateful=stateful), BATCH).to(device)
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                layer(buffer, mask=given)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                out = layer(buffer, mask=given)
            other = torch.randn_like(buffer)
            if stateful:  # two replays: the second begins where the first ended
                layer.reset_states()
            buffer.copy_(other)
            for _ in range(2 if stateful else 1):
                graph.replay()
            found = out.clone()
            if stateful:
                layer.reset_states()
                layer(other)
            rows.gap(f"CUDA graph, {name}", distance([found], [layer(other, mask=given)]), FLOAT32)


def flattened(device: torch.device, features: int, units: int, both: bool = False) -> nn.LSTM:
    """torch's own module, as it is fastest."""
    return nn.LSTM(features, units, batch_first=True, bidirectional=both, device=device)
