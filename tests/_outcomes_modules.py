"""Which module of torch a layer becomes, and on which kernel it runs: a set of outcomes, see `_outcomes.py`.

Every layer with each of its arguments at another value: the module with its values, or all reasons why there is none;
and what `kernel_choice` says for inputs of many sizes, with the compiled code of each level and without.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any
from unittest import mock
from zlib import crc32

import torch
from _outcomes import plain
from _outcomes_examples import named
from _outcomes_files import short, valued
from _outcomes_layers import told
from _outcomes_saved import OPTIONS, quietly

from kerastorch import activations, layers
from kerastorch.base.layer import REGISTRY
from kerastorch.kernels import conv_lstm, equations, step_engine
from kerastorch.structure import map_shapes

MORE: dict[str, tuple[Any, ...]] = {
    "activation": ("relu", "tanh", "softmax", "relu6", "linear"),
    "recurrent_activation": ("tanh", "hard_sigmoid"),
    "data_format": ("channels_last",),
    "return_state": (True,),
    "stateful": (True,),
    "unroll": (True,),
    "zero_output_for_mask": (True,),
    "merge_mode": ("sum", None, "mul"),
    "dropout": (0.5,),
    "recurrent_dropout": (0.5,),
    "rate": (0.25,),
    "axis": (1, -1),
    "mask_zero": (True,),
    "value_dim": (3,),
    "output_shape": (4, (2, 2)),
    "kernel_regularizer": ("l2",),
    "bias_constraint": ("non_neg",),
    "activity_regularizer": ("l1",),
    "momentum": (0.5,),
    "center": (False,),
    "scale": (False,),
    "interpolation": ("bilinear", "bicubic"),
    "pool_size": (2,),
}


def converted(cls: Any, config: dict[str, Any], shapes: Any, frozen: int | None) -> Any:
    """The module: what it is, its values, and which are trained."""
    layer = cls.from_config({**config, "name": "it"})
    given = map_shapes(lambda shape: tuple(shape), shapes)
    apart = layer._call_arguments.tensors and isinstance(given, list)
    layer.build(*given) if apart else layer.build(given)
    valued(layer)
    if frozen is not None:
        parameters = list(layer.parameters())
        parameters[frozen % len(parameters)].requires_grad_(False)
    module = layer.to_torch()
    state = {key: short(each.detach().double().numpy()) for key, each in module.state_dict().items()}
    trained = [key for key, each in module.named_parameters() if each.requires_grad]
    return [str(module), state, trained, module.training]


def modules() -> Iterator[tuple[str, Callable[[], Any]]]:
    for cls in REGISTRY.values():
        for example in cls.EXAMPLES[:3]:
            known = {*inspect.signature(cls.__init__).parameters, *cls.CONFIG, *cls.INERT}
            options: list[tuple[str, Any] | None] = [None]
            options += [("frozen", 0), ("frozen", -1)] if cls.WEIGHTS else []
            for table in (OPTIONS, MORE):
                options += [(key, value) for key, values in table.items() if key in known for value in values]
            for option in options:
                key = f"{cls._class_name} {example.name}, {option}"
                if option is not None and crc32(key.encode()) % 3:
                    continue
                frozen = option[1] if option is not None and option[0] == "frozen" else None
                config = {**named(example.config), **({} if option is None or frozen is not None else dict([option]))}
                yield (
                    key,
                    lambda a=(cls, config, example.input_shape, frozen): converted(*a),
                )


def heads() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Attention of torch is one size of everything: each that is another one is a reason, and so are several."""
    sizes: list[dict[str, Any]] = [{"num_heads": 2, "key_dim": 3}, {"num_heads": 3, "key_dim": 2}]
    sizes += [{"num_heads": 2, "key_dim": 2}]
    others: list[dict[str, Any]] = [{}, {"value_dim": 2}, {"value_dim": 3}, {"output_shape": 6}, {"output_shape": 4}]
    others += [{"use_gate": True}, {"sliding_window": 2}, {"use_bias": False}, {"dropout": 0.25}]
    others += [{"output_shape": (2, 3), "use_gate": True, "sliding_window": 1, "value_dim": 5}]
    shapes: list[Any] = [[(2, 4, 6)] * 2, [(2, 4, 6), (2, 5, 6), (2, 5, 6)], [(2, 4, 6), (2, 5, 3), (2, 5, 4)]]
    shapes += [[(2, 4, 6), (2, 5, 3)], [(2, 3, 4, 6), (2, 3, 4, 6)]]
    for size, other, shape, frozen in product(sizes, others, shapes, (None, 0, 2)):
        key = f"heads {size} {other} of {shape}, frozen {frozen}"
        if crc32(key.encode()) % 3 == 0:
            yield key, lambda a=(layers.MultiHeadAttention, {**size, **other}, shape, frozen): converted(*a)


# ---------------------------------------------------------------- kernels


def choices() -> Iterator[tuple[str, Callable[[], Any]]]:
    wide: dict[str, Any] = {"name": "l", "units": 4}
    made: dict[str, Callable[[dict[str, Any]], Any]] = {
        "LSTM": lambda given: layers.LSTM(**wide, **given),
        "GRU": lambda given: layers.GRU(**wide, **given),
        "GRU reset before": lambda given: layers.GRU(**wide, reset_after=False, **given),
        "SimpleRNN": lambda given: layers.SimpleRNN(**wide, **given),
        "large LSTM": lambda given: layers.LSTM(200, name="l", **given),
        "large GRU": lambda given: layers.GRU(200, name="l", **given),
        "CuDNNLSTM": lambda given: layers.CuDNNLSTM(4, name="l"),
        "RNN": lambda given: layers.RNN(layers.LSTMCell(4, name="c", **given), name="l"),
        "stack": lambda given: layers.RNN([layers.GRUCell(4, name="c", **given), layers.LSTMCell(4, name="d")]),
        "both": lambda given: layers.Bidirectional(layers.GRU(name="i", units=4, **given), name="l"),
        "both LSTM": lambda given: layers.Bidirectional(layers.LSTM(name="i", units=4, **given), name="l"),
        "ConvLSTM1D": lambda given: layers.ConvLSTM1D(2, 2, name="l", **given),
    }
    options: tuple[dict[str, Any], ...] = (
        *({}, {"activation": "relu"}, {"activation": "softmax"}, {"activation": "swish"}, {"dropout": 0.5}),
        *({"recurrent_dropout": 0.5}, {"dropout": 0.5, "implementation": 1}, {"use_bias": False}),
        *({"recurrent_activation": "hard_sigmoid"}, {"dtype": "float64"}, {"stateful": True}, {"unroll": True}),
    )
    levels: tuple[dict[str, Any], ...] = (
        {"available": True, "level": "AVX512", "shortfall": ""},
        {"available": True, "level": "DEFAULT", "shortfall": "the compiler is old"},
        {"available": False, "level": None, "shortfall": "there is no compiler"},
        {"available": False, "level": None, "shortfall": ""},
    )
    for (name, make), given, native, rows, training in product(
        made.items(), options, levels, (None, 1, 3, 600), (True, False, None)
    ):
        key = f"kernel of {name} {given}, {native}, rows {rows}, training {training}"
        if crc32(key.encode()) % 11:
            continue

        def choice(
            make: Any = make, given: Any = given, native: Any = native, rows: Any = rows, training: Any = training
        ):
            layer = make(given)
            steps = 5 if crc32(repr(given).encode()) % 2 else 40
            shape = (rows, steps, 6, 3) if "ConvLSTM" in type(layer).__name__ else (rows, steps, 3)
            layer.build((None, *shape[1:]))
            x = (
                None
                if rows is None
                else torch.zeros(shape, dtype=getattr(torch, str(layer.compute_dtype).removeprefix("torch.")))
            )
            with mock.patch.multiple("kerastorch.native", **native), torch.set_grad_enabled(training is not False):
                found = layer.kernel_choice(x, training=training)
            return [found.path, re.sub(r"\d{3,}", "N", found.reason)]  # the limits stand in `size_rules.py`

        yield key, choice


def nodes() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Which node of ONNX computes a recurrence: equations, activations, with dropout of the state and without."""
    functions = [activations.get(name) for name in ("linear", "relu", "sigmoid", "hard_sigmoid", "gelu")]
    kinds = (equations.LSTM, equations.GRU, equations.GRUResetBefore, equations.SimpleRNN, conv_lstm.ChannelsFirst)
    for kind, activation, recurrent, drop in product(kinds, functions, functions, (None, torch.zeros(1, 1, 2))):
        steps = equations.Steps(kind, torch.zeros(8, 2), None, activation, recurrent, drop)

        def node(steps: equations.Steps = steps) -> Any:
            found = step_engine.onnx_recurrence(steps)
            if found is None:
                return None
            return [found.name, [function.__name__ for function in found.functions], found.linear_before_reset]

        names = (kind.__name__, activation.__name__, recurrent.__name__, "with" if drop is not None else "without")
        yield "node of {} {} {}, {} dropout".format(*names), node


@cache
def as_modules() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for some in (modules, heads, choices, nodes):
        cases.update(some())
    return {key: told(lambda case=case: plain(quietly(case))) for key, case in cases.items()}
