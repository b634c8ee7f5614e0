"""Pooling: one value of each window, or of each channel."""

from __future__ import annotations

from collections.abc import Mapping

from .form import Form, keys

_POOLING = Form(keys("pool_size strides padding data_format"))
_GLOBAL = Form(keys("data_format keepdims"))
_ADAPTIVE = Form(keys("output_size data_format"), required=("output_size",), eras=frozenset({"keras3"}))
POOLING = frozenset(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3))

_CLASSES: Mapping[str, Form] = {
    **dict.fromkeys(sorted(POOLING), _POOLING),
    **{f"Global{name}": _GLOBAL for name in sorted(POOLING)},
    "GlobalAveragePooling1D": Form(_GLOBAL.keys, call=("mask",)),
}
# Names that every Keras also reads, and none writes.
ALIASES: Mapping[str, str] = {name.replace("Pooling", "Pool").replace("Average", "Avg"): name for name in _CLASSES}
_NEW = {f"Adaptive{name}": _ADAPTIVE for name in sorted(POOLING)}
FORMS: Mapping[str, Form] = {**_CLASSES, **_NEW, **{alias: _CLASSES[name] for alias, name in ALIASES.items()}}
