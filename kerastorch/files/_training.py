"""What a file says of the optimizer that its model was compiled with: named in reports, never made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.errors import quote

_SHOWN = 12  # settings named in a note


def describe_optimizer(config: Mapping[str, Any] | None) -> str | None:
    """The optimizer in a `training_config` (HDF5) or a `compile_config` (.keras), as a note names it; None without one.

    Its plain settings are shown; what is nested (a learning-rate schedule) by its class only.
    """
    stated = (config or {}).get("optimizer_config", (config or {}).get("optimizer"))
    if isinstance(stated, str):
        return f"optimizer {quote(stated)}"
    if not isinstance(stated, Mapping):
        return None
    name = stated.get("class_name", stated.get("name"))
    settings = stated.get("config")
    shown = _settings(settings) if isinstance(settings, Mapping) else ""
    return f"optimizer {quote(name if isinstance(name, str) else '?')}{shown}"


def _settings(settings: Mapping[str, Any]) -> str:
    parts = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            value = value.get("class_name")
        if key != "name" and value is not None and value is not False and isinstance(value, (str, int, float)):
            shown = quote(value, 40) if isinstance(value, str) else f"{value:.6g}"  # 0.01 was once a float32
            parts.append(f"{quote(key, 40)[1:-1]} {shown}")
    return f" ({', '.join(parts[:_SHOWN])})" if parts else ""
