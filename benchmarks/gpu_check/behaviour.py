"""What may go wrong on a device although the numbers of a plain call are right."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from agreement import BATCH, BOUNDS, FEATURES, STEPS, UNITS, distance, dropout_masks, everything, filled, masks
from rows import Rows
from torch import Tensor, nn

from kerastorch import layers
from kerastorch.kernels import cudnn

FLOAT32 = 2 * BOUNDS[torch.float32]


def behaviour(rows: Rows, device: torch.device, dry: bool) -> None:
    for check in (_flat_layout, _states, _sizes, _moves, _policies, _images, _same_bits, _compiled, _copies):
        check(rows, device, dry)
    if device.type == "cuda":
        _graphs(rows, device)
        _training_graph(rows, device)


def _layer(device: torch.device, cls: Callable[..., Any] = layers.LSTM, **config: Any) -> Any:
    return filled(cls(UNITS, **config)).to(device)


def _x(device: torch.device, batch: int = BATCH, steps: int = STEPS) -> Tensor:
    return torch.randn(batch, steps, FEATURES, generator=torch.Generator().manual_seed(5)).to(device)


def _flat_layout(rows: Rows, device: torch.device, dry: bool) -> None:
    """The layout that torch states, with the column that a mask adds to the inputs too."""
    for features, name, both in itertools.product((FEATURES, FEATURES + 1), ("lstm", "gru", "rnn_tanh"), (False, True)):
        title = f"layout of {name}, {features} features, {'two directions' if both else 'one direction'}"
        with rows.guarded(title):
            found = cudnn.layout(name, features, UNITS, both, torch.float32, device)
            rows.add(title, found, "on CUDA: one array", (found is not None) == (device.type == "cuda"))
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        with rows.guarded(f"layout in {dtype}"):
            x = torch.zeros(1, 1, FEATURES, dtype=dtype, device=device)
            found = cudnn.layout("lstm", FEATURES, UNITS, False, dtype, device)
            allowed = "one array where cuDNN runs"
            rows.add(
                f"layout in {dtype}", f"cuDNN: {cudnn.applies(x)}, {found}", allowed, bool(found) >= cudnn.applies(x)
            )


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
    """Of one direction, and of both with a mask, which are one kernel on a device."""
    x, mask = _x(device), masks()["holes"]
    given = None if mask is None else mask.to(device)
    kinds: dict[str, tuple[Callable[..., Any], Tensor | None]] = {
        "LSTM": (layers.LSTM, None),
        "masked Bidirectional": (_both, given),
    }
    for (name, (make, its_mask)), policy in itertools.product(kinds.items(), ("bfloat16", "float16")):
        half = getattr(torch, policy)
        cpu_mask = None if its_mask is None else its_mask.cpu()
        expected = everything(filled(make(UNITS)), x.cpu(), cpu_mask, True)
        with rows.guarded(f"mixed_{policy}, {name}"):
            layer = filled(make(UNITS, dtype=f"mixed_{policy}")).to(device)
            gap = distance(everything(layer, x, its_mask, True), expected)
            rows.gap(f"mixed_{policy}, {name}", gap, 2 * BOUNDS[half])
        with rows.guarded(f"autocast {policy}, {name}"):
            layer = filled(make(UNITS)).to(device)
            with torch.autocast(device.type, half):
                found = everything(layer, x, its_mask, True)
            rows.gap(f"autocast {policy}, {name}", distance(found, expected), 2 * BOUNDS[half])


def _both(units: int, **config: Any) -> Any:
    return layers.Bidirectional(layers.LSTM(units, return_sequences=True, return_state=True, **config), **config)


def _images(rows: Rows, device: torch.device, dry: bool) -> None:
    for data_format, rate in itertools.product(("channels_last", "channels_first"), (0.0, 0.5)):
        title = f"ConvLSTM2D, {data_format}, recurrent_dropout={rate}"
        with rows.guarded(title):
            shape = (6, 5, 3) if data_format == "channels_last" else (3, 6, 5)
            config: dict[str, Any] = {"padding": "same", "return_sequences": True, "return_state": True}
            layer = layers.ConvLSTM2D(4, 3, data_format=data_format, recurrent_dropout=rate, **config)
            layer = filled(layer, features=shape)
            layer._dropout_masks = lambda like, rate: dropout_masks(like, rate).expand(4, *like.shape)
            x = torch.randn(BATCH, STEPS, *shape, generator=torch.Generator().manual_seed(5))
            mask = masks()["holes"]
            expected = everything(copy.deepcopy(layer).double(), x.double(), mask, True)
            found = everything(layer.to(device), x.to(device), None if mask is None else mask.to(device), True)
            rows.gap(title, distance(found, expected), FLOAT32)


def _same_bits(rows: Rows, device: torch.device, dry: bool) -> None:
    """Gradients of a masked layer under deterministic algorithms."""
    mask = masks()["holes"]
    given = None if mask is None else mask.to(device)
    for name, make in {"LSTM": layers.LSTM, "Bidirectional": _both}.items():
        title = f"the same bits twice, masked {name}"
        with rows.guarded(title):
            config = {"return_sequences": True} if name == "LSTM" else {}
            layer = filled(make(UNITS, **config)).to(device)
            torch.use_deterministic_algorithms(True)
            try:
                first, second = (everything(layer, _x(device, 64, 50), _tiled(given), True) for _ in range(2))
            finally:
                torch.use_deterministic_algorithms(False)
            same = all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
            rows.add(title, same, "True", same)


def _tiled(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.repeat(11, 6)[:64, :50]


def _copies(rows: Rows, device: torch.device, dry: bool) -> None:
    """`nn.DataParallel`, where there are two devices."""
    if device.type != "cuda" or torch.cuda.device_count() < 2:
        rows.add("DataParallel", "not run: needs two devices")
        return
    with rows.guarded("DataParallel"):
        layer = filled(layers.LSTM(UNITS, dtype="mixed_bfloat16")).to("cuda:0")
        x = _x(torch.device("cuda:0"))
        gap = distance([nn.DataParallel(layer, [0, 1])(x)], [layer(x)])
        rows.gap("DataParallel", gap, BOUNDS[torch.bfloat16])


def _compiled(rows: Rows, device: torch.device, dry: bool) -> None:
    backend = "aot_eager" if dry else "inductor"
    with rows.guarded(f"torch.compile, {backend}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inductor recommends TF32
        layer, x = _layer(device), _x(device)
        compiled = torch.compile(layer, fullgraph=True, backend=backend)
        rows.gap(f"torch.compile, {backend}", distance([compiled(x)], [layer(x)]), FLOAT32)


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


def _training_graph(rows: Rows, device: torch.device) -> None:
    """A captured step of a training of a stateful layer: each replay begins where the last one ended."""
    with rows.guarded("CUDA graph, stateful training"):
        layer = filled(layers.LSTM(UNITS, stateful=True), BATCH).to(device)
        eager = copy.deepcopy(layer)
        buffer = _x(device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                layer(buffer).square().sum().backward()
        torch.cuda.current_stream().wait_stream(stream)
        layer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = layer(buffer)
            out.square().sum().backward()
        layer.reset_states()
        for _ in range(2):
            graph.replay()
        eager(buffer)
        last = eager(buffer)
        last.square().sum().backward()
        found = [out, *layer.states, *(w.grad for w in layer.parameters() if w.grad is not None)]
        expected = [last, *eager.states, *(w.grad for w in eager.parameters() if w.grad is not None)]
        rows.gap("CUDA graph, stateful training", distance(found, expected), FLOAT32)


def flattened(device: torch.device, features: int, units: int, both: bool = False) -> nn.LSTM:
    """torch's own module, as it is fastest."""
    return nn.LSTM(features, units, batch_first=True, bidirectional=both, device=device)
