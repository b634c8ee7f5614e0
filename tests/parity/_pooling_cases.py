"""The configurations of layers that pool, repeat, pad and crop, for the comparison with real Keras."""

from __future__ import annotations

import itertools
from typing import Any

from ._compare import BATCH, MASKS, Case, variants

KERAS3 = ("keras3",)
KERAS2 = ("keras2",)
# Sizes that leave a rest behind windows of 2 and 3, and differ from each other.
IMAGES = {1: (7,), 2: (7, 5), 3: (5, 4, 7)}
CHANNELS = 3
LAST = {rank: (BATCH, *image, CHANNELS) for rank, image in IMAGES.items()}
FIRST = {rank: (BATCH, CHANNELS, *image) for rank, image in IMAGES.items()}
LARGER = {"pool_size": 9, "padding": "same", "strides": 1}
CHANNELS_FIRST = {"data_format": "channels_first"}
# tf-keras hands these to TensorFlow's kernels as they are, which have no channels first on a CPU.
_NO_FIRST_IN_KERAS2 = ("MaxPooling2D", "AveragePooling2D")


def _mixed(rank: int, *values: int) -> tuple[int, ...]:
    """Another value for each axis."""
    return tuple(itertools.islice(itertools.cycle(values), rank))


def _pooling(kind: str, rank: int) -> list[Case]:
    name = f"{kind}Pooling{rank}D"
    base = Case(name, name, {"pool_size": 2}, shapes=(LAST[rank],))
    first_in = KERAS3 if name in _NO_FIRST_IN_KERAS2 else base.frameworks
    windows: tuple[dict[str, Any], ...] = (
        {},
        {"pool_size": _mixed(rank, 3, 2)},
        {"pool_size": 3, "strides": 1},
        {"pool_size": 3, "strides": 2},
        {"pool_size": 2, "strides": 1},
        {"pool_size": 2, "strides": 3},
        {"pool_size": _mixed(rank, 2, 3), "strides": _mixed(rank, 1, 2, 3)},
        {"pool_size": 1},
        {"pool_size": _mixed(rank, 4, 3), "strides": _mixed(rank, 2, 1)},
    )
    cases = []
    for padding, window in itertools.product(("valid", "same"), windows):
        label = " ".join(f"{key}={value}" for key, value in window.items())
        cases.append(variants(base, f"{padding} {label}".strip(), {"padding": padding, **window}))
    for padding in ("valid", "same"):
        config = {**CHANNELS_FIRST, "padding": padding, "pool_size": 3, "strides": 2}
        cases.append(variants(base, f"channels first {padding}", config, shapes=(FIRST[rank],), frameworks=first_in))
    return [
        *cases,
        *([variants(base, "larger than the image", LARGER)] if kind == "Max" else []),
        variants(base, "as large as the image", {"pool_size": IMAGES[rank]}),
        # TensorFlow pools volumes in float32 only on a CPU.
        *([variants(base, "float64", {"padding": "same", "pool_size": 2}, dtype="float64")] if rank < 3 else []),
        variants(base, "spelling", {"data_format": "Channels_Last"}),
    ]


def _global(kind: str, rank: int) -> list[Case]:
    name = f"Global{kind}Pooling{rank}D"
    base = Case(name, name, shapes=(LAST[rank],))
    first = variants(base, "channels first", CHANNELS_FIRST, shapes=(FIRST[rank],))
    return [
        base,
        variants(base, "keepdims", {"keepdims": True}),
        first,
        variants(first, "keepdims", {"keepdims": True}),
        variants(base, "float64", dtype="float64"),
    ]


def _masked() -> list[Case]:
    base = Case("GlobalAveragePooling1D mask", "GlobalAveragePooling1D", shapes=(LAST[1],))
    masks = [mask for mask in MASKS if mask != "empty row"]  # that one is NaN: a test of its own
    # Where the two Kerases differ no mask of these tells: they differ in what NaN at a masked step does.
    cases = [variants(base, mask, mask=mask) for mask in masks]
    return [
        *cases,
        variants(base, "keepdims", {"keepdims": True}, mask="holes"),
        variants(base, "float64", mask="holes", dtype="float64"),
        variants(base, "keras2_masks", mask="holes"),
    ]


def _adaptive(kind: str, rank: int) -> list[Case]:
    """Windows of one size and of two, that share places and that do not, more of them than places."""
    name = f"Adaptive{kind}Pooling{rank}D"
    base = Case(name, name, {"output_size": 2}, shapes=(LAST[rank],), frameworks=KERAS3)
    wanted = (3, 4, 5, 9, _mixed(rank, 3, 2, 5), IMAGES[rank])
    first = {"output_size": _mixed(rank, 3, 4, 2), **CHANNELS_FIRST}
    # TensorFlow's gradient of the maximum of one window is what the memory held: Keras pools a second, empty time.
    one = kind == "Average" or rank == 3
    return [
        base,
        *([variants(base, "output_size=1", {"output_size": 1})] if one else []),
        *(variants(base, f"output_size={size}", {"output_size": size}) for size in wanted),
        variants(base, "channels first", first, shapes=(FIRST[rank],)),
        # TensorFlow pools volumes in float32 only on a CPU.
        *([variants(base, "float64", {"output_size": 3}, dtype="float64")] if rank < 3 else []),
    ]


POOLING_CASES = [
    case
    for rank in (1, 2, 3)
    for kind in ("Max", "Average")
    for make in (_pooling, _global, _adaptive)
    for case in make(kind, rank)
] + _masked()


def _up_sampling() -> list[Case]:
    cases = [
        Case("UpSampling1D", "UpSampling1D", shapes=(LAST[1],)),
        Case("UpSampling1D 1", "UpSampling1D", {"size": 1}, shapes=(LAST[1],)),
        Case("UpSampling1D 5", "UpSampling1D", {"size": 5}, shapes=(LAST[1],)),
        Case("UpSampling1D float64", "UpSampling1D", {"size": 3}, shapes=(LAST[1],), dtype="float64"),
    ]
    for rank in (2, 3):
        base = Case(f"UpSampling{rank}D", f"UpSampling{rank}D", shapes=(LAST[rank],))
        mixed = {"size": _mixed(rank, 3, 1, 2)}
        cases += [
            base,
            variants(base, "mixed", mixed),
            variants(base, "channels first", {**mixed, **CHANNELS_FIRST}, shapes=(FIRST[rank],)),
            variants(base, "float64", mixed, dtype="float64"),
        ]
    bilinear = Case("UpSampling2D bilinear", "UpSampling2D", {"interpolation": "bilinear"}, shapes=(LAST[2],))
    return [
        *cases,
        bilinear,
        *(variants(bilinear, f"size {size}", {"size": size}) for size in (1, 3, (2, 5), (4, 1))),
        variants(bilinear, "channels first", {"size": (3, 2), **CHANNELS_FIRST}, shapes=(FIRST[2],)),
        variants(bilinear, "one column", {"size": (3, 4)}, shapes=((BATCH, 4, 1, CHANNELS),)),
        variants(bilinear, "spelling", {"interpolation": "BILINEAR"}),
        *_curved(),
    ]


def _curved() -> list[Case]:
    """Fewer values than the weights reach over, one, more; factors that TensorFlow's table rounds and does not."""
    cases = []
    both = dict.fromkeys(("bicubic", "lanczos3", "lanczos5"), (*KERAS3, *KERAS2))
    only_in_tf_keras = dict.fromkeys(("area", "gaussian", "mitchellcubic"), KERAS2)
    for name, frameworks in {**both, **only_in_tf_keras}.items():
        base = Case(f"UpSampling2D {name}", "UpSampling2D", {"interpolation": name}, shapes=(LAST[2],))
        # TensorFlow has no gradient of "area": whole numbers have none.
        base = variants(base, "twice", frameworks=frameworks, integers=9 if name == "area" else None)
        cases += [
            base,
            variants(base, "size (3, 7)", {"size": (3, 7)}, shapes=((BATCH, 13, 2, 1),)),
            variants(base, "channels first", {"size": (1, 5), **CHANNELS_FIRST}, shapes=(FIRST[2],)),
            variants(base, "one column", {"size": (2, 3)}, shapes=((BATCH, 4, 1, CHANNELS),)),
        ]
    return cases


_SIDES: dict[int, tuple[Any, ...]] = {
    1: (0, 1, 2, (1, 0), (0, 2), [2, 1]),
    2: (0, 1, (1, 2), ((1, 0), (0, 2)), [[0, 0], [2, 1]], (1, (0, 1))),
    3: (0, 1, (1, 0, 2), ((1, 0), (0, 2), (1, 1)), [[0, 1], [1, 0], [0, 0]]),
}


def _borders() -> list[Case]:
    cases = []
    for (layer, argument), rank in itertools.product((("ZeroPadding", "padding"), ("Cropping", "cropping")), (1, 2, 3)):
        name = f"{layer}{rank}D"
        base = Case(name, name, shapes=(LAST[rank],))
        cases.append(base)
        cases += [variants(base, f"{sides}", {argument: sides}) for sides in _SIDES[rank]]
        cases.append(variants(base, "float64", {argument: _SIDES[rank][3]}, dtype="float64"))
        if rank > 1 or layer == "ZeroPadding":
            config = {argument: _SIDES[rank][3], **CHANNELS_FIRST}
            frameworks = KERAS3 if rank == 1 else base.frameworks  # only Keras 3's ZeroPadding1D has a data_format
            cases.append(variants(base, "channels first", config, shapes=(FIRST[rank],), frameworks=frameworks))
    return cases


RESIZING_CASES = [*_up_sampling(), *_borders()]


def _dropout() -> list[Case]:
    cases = []
    for rank in (2, 3):
        base = Case(f"SpatialDropout{rank}D evaluation", f"SpatialDropout{rank}D", {"rate": 0.5}, shapes=(LAST[rank],))
        cases += [
            base,
            variants(base, "mask", mask="right", pass_mask=False),
            variants(base, "channels first", CHANNELS_FIRST, shapes=(FIRST[rank],)),
            variants(base, "rate 0 training", {"rate": 0.0}, training=True),
        ]
    return cases


SPATIAL_DROPOUT_CASES = _dropout()

# What TimeDistributed makes of each: a class, its arguments, and the shape of one step.
_INNER: tuple[tuple[str, dict[str, Any], tuple[int, ...]], ...] = (
    ("MaxPooling1D", {"pool_size": 2}, LAST[1][1:]),
    ("AveragePooling1D", {"pool_size": 3, "padding": "same", "strides": 2}, LAST[1][1:]),
    ("MaxPooling2D", {"pool_size": (2, 3), "padding": "same"}, LAST[2][1:]),
    ("AveragePooling2D", {"pool_size": 2}, LAST[2][1:]),
    ("MaxPooling3D", {"pool_size": 2}, LAST[3][1:]),
    ("AveragePooling3D", {"pool_size": 2, "padding": "same"}, LAST[3][1:]),
    ("GlobalMaxPooling1D", {}, LAST[1][1:]),
    ("GlobalAveragePooling1D", {"keepdims": True}, LAST[1][1:]),
    ("GlobalMaxPooling2D", {}, LAST[2][1:]),
    ("GlobalAveragePooling2D", CHANNELS_FIRST, FIRST[2][1:]),
    ("GlobalMaxPooling3D", {"keepdims": True}, LAST[3][1:]),
    ("GlobalAveragePooling3D", {}, LAST[3][1:]),
    ("UpSampling1D", {"size": 3}, LAST[1][1:]),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}, LAST[2][1:]),
    ("UpSampling3D", {"size": 2}, LAST[3][1:]),
    ("ZeroPadding1D", {"padding": (1, 2)}, LAST[1][1:]),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2))}, LAST[2][1:]),
    ("ZeroPadding3D", {"padding": 1}, LAST[3][1:]),
    ("Cropping1D", {"cropping": (1, 2)}, LAST[1][1:]),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2))}, LAST[2][1:]),
    ("Cropping3D", {"cropping": 1}, LAST[3][1:]),
    ("SpatialDropout2D", {"rate": 0.5}, LAST[2][1:]),
    ("SpatialDropout3D", {"rate": 0.5}, LAST[3][1:]),
)
TIME_DISTRIBUTED_CASES = [
    Case(
        f"TimeDistributed({name})",
        "TimeDistributed",
        {"layer": {"class_name": name, "config": config}},
        shapes=((BATCH, 2, *step),),
    )
    for name, config, step in _INNER
]
