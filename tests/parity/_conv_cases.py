"""Configurations of convolutions that kerastorch and real Keras are compared on."""

from __future__ import annotations

import itertools
from typing import Any

from ._compare import BATCH, Case, variants

CHANNELS, FILTERS = 4, 6
IMAGES = {1: (9,), 2: (7, 8), 3: (5, 4, 6)}
KERAS3, KERAS2 = ("keras3",), ("keras2",)


def shape(rank: int, channels: int = CHANNELS) -> tuple[int, ...]:
    return (BATCH, *IMAGES[rank], channels)


def base(name: str, **config: Any) -> Case:
    rank = int(name[name.index("D") - 1] if "Depth" not in name else name[-2])
    return Case(name, name, config, (shape(rank),))


def _windows(rank: int) -> list[dict[str, Any]]:
    """Every kind of window with every kind of step, in both paddings."""
    other = {1: (2,), 2: (2, 3), 3: (2, 1, 3)}[rank]
    steps: list[dict[str, Any]] = [
        {},
        {"strides": 2},
        {"strides": {1: 4, 2: (2, 3), 3: (1, 2, 3)}[rank]},
        {"dilation_rate": 2},
        {"dilation_rate": {1: 3, 2: (1, 3), 3: (2, 1, 2)}[rank]},
    ]
    return [
        {"kernel_size": kernel, "padding": padding, **step}
        for kernel, padding, step in itertools.product((3, other), ("valid", "same"), steps)
        if not (rank == 3 and padding == "valid" and step.get("dilation_rate"))  # does not fit into a volume so small
    ]


def _named(case: Case, options: dict[str, Any], **changes: Any) -> Case:
    return variants(case, " ".join(f"{key}={value}" for key, value in options.items()), options, **changes)


def _convolutions(rank: int) -> list[Case]:
    case = base(f"Conv{rank}D", filters=FILTERS, kernel_size=2)
    cases = [case, *(_named(case, window) for window in _windows(rank))]
    cases += [
        _named(case, {"groups": groups, "padding": padding, "kernel_size": 3})
        for groups, padding in itertools.product((1, 2), ("valid", "same"))
    ]
    cases += [
        _named(case, {"groups": 2, "strides": 2, "padding": "same"}),
        _named(case, {"use_bias": False}),
        _named(case, {"activation": "softmax"}),
        _named(case, {"padding": "SAME", "data_format": "Channels_Last"}),
        variants(case, "float64", {"padding": "same", "activation": "tanh"}, dtype="float64"),
        variants(case, "kernel of one", {"kernel_size": 1}),
        variants(case, "one channel", {"kernel_size": 3}, shapes=(shape(rank, 1),)),
        variants(case, "as large as the image", {"kernel_size": IMAGES[rank]}),
        variants(case, "larger than the image", {"kernel_size": 11, "padding": "same"}),
        variants(case, "strides above the kernel", {"kernel_size": 2, "strides": 3, "padding": "same"}),
    ]
    return cases


def _causal() -> list[Case]:
    conv = base("Conv1D", filters=FILTERS, kernel_size=3, padding="causal")
    separable = base("SeparableConv1D", filters=FILTERS, kernel_size=3, padding="causal")
    steps: list[dict[str, Any]] = [{}, {"strides": 2}, {"dilation_rate": 2}, {"dilation_rate": 3, "kernel_size": 4}]
    return [
        *(_named(conv, {"padding": "causal", **step}) for step in steps),
        _named(conv, {"padding": "causal", "groups": 2}),
        *(_named(separable, {"padding": "causal", **step}, frameworks=KERAS2) for step in steps),
    ]


def _transposed(rank: int) -> list[Case]:
    case = base(f"Conv{rank}DTranspose", filters=FILTERS, kernel_size=3)
    cases = [case]  # dilated ones are compared in another way: TensorFlow has none on a CPU
    for kernel, padding, strides in itertools.product((1, 2, 3, 4), ("valid", "same"), (1, 2, 3)):
        if rank == 3 and padding == "same" and strides - kernel > 1:
            continue  # without oneDNN TensorFlow begins a place too late in volumes: tests/layers has this one
        cases.append(_named(case, {"kernel_size": kernel, "padding": padding, "strides": strides}))
        for extra in range(strides):
            # With an even kernel TensorFlow has no output that short.
            if not (padding == "same" and kernel % 2 == 0 and extra == 0):
                options = {"kernel_size": kernel, "padding": padding, "strides": strides, "output_padding": extra}
                cases.append(_named(case, options))
    cases = cases[::rank]  # one axis is as the other
    mixed = {1: {}, 2: {"kernel_size": (4, 3), "strides": (3, 2)}, 3: {"kernel_size": (2, 3, 1), "strides": (3, 1, 2)}}
    cases += [
        _named(case, {"padding": "same", **mixed[rank]}),
        _named(case, {"use_bias": False}),
        _named(case, {"activation": "softmax"}),
        variants(case, "float64", {"padding": "same", "strides": 2}, dtype="float64"),
    ]
    return cases


def _channelwise(rank: int) -> list[Case]:
    square = {1: 3, 2: (3, 2)}[rank]
    steps: list[dict[str, Any]] = [{}, {"strides": 2}, {"strides": 3}, {"dilation_rate": 2}, {"dilation_rate": 3}]
    if rank == 2:
        steps.append({"dilation_rate": (1, 2)})
    cases = []
    for name in ("DepthwiseConv", "SeparableConv"):
        given: dict[str, Any] = {"kernel_size": square, "depth_multiplier": 2}
        case = base(f"{name}{rank}D", **given, **({"filters": FILTERS} if name == "SeparableConv" else {}))
        cases += [
            case,
            *(
                _named(case, {"padding": padding, **step})
                for padding, step in itertools.product(("valid", "same"), steps)
            ),
            _named(case, {"depth_multiplier": 1, "use_bias": False}),
            _named(case, {"depth_multiplier": 3, "kernel_size": 2, "padding": "same"}),
            _named(case, {"activation": "softmax"}),
            variants(case, "float64", {"padding": "same"}, dtype="float64"),
            # tf.keras refuses the two together.
            _named(case, {"strides": 2, "dilation_rate": 2, "padding": "same"}, frameworks=KERAS3),
            _named(case, {"strides": 3, "dilation_rate": 2, "kernel_size": 2}, frameworks=KERAS3),
        ]
    return cases


def _local(rank: int) -> list[Case]:
    images = {1: (BATCH, 7, 3), 2: (BATCH, 4, 5, 3)}
    case = variants(base(f"LocallyConnected{rank}D", filters=2, kernel_size=2), "", shapes=(images[rank],))
    windows: list[dict[str, Any]] = [{}, {"kernel_size": 3}, {"strides": 2}, {"kernel_size": 3, "strides": 3}]
    if rank == 2:
        windows.append({"kernel_size": (3, 2), "strides": (1, 2)})
    formats = ("channels_last", "channels_first")  # these run everywhere: Keras computes them as products of matrices
    cases = [
        _named(case, {**window, "implementation": implementation, "data_format": data_format, "padding": padding})
        for window, implementation, data_format, padding in itertools.product(
            windows, (1, 2, 3), formats, ("valid", "same")
        )
        if implementation > 1 or padding == "valid"
    ]
    cases += [_named(case, {"use_bias": False}), _named(case, {"activation": "tanh"}, dtype="float64")]
    return [variants(case, "", frameworks=KERAS2) for case in cases]


CASES = [
    *itertools.chain.from_iterable(map(_convolutions, (1, 2, 3))),
    *_causal(),
    *itertools.chain.from_iterable(map(_transposed, (1, 2, 3))),
    *itertools.chain.from_iterable(map(_channelwise, (1, 2))),
    *itertools.chain.from_iterable(map(_local, (1, 2))),
]
