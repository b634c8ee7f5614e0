"""What the parts of a model ask of the whole, declared in one place: so none of them has to import `Model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base.protocol import AnyLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from ..base.layer import Layer
    from .input import InputLayer
    from .plan import Plan, Step


class AnyModel(AnyLayer):
    """A model, to the modules that `Model` is made of; abstract. What stands here `Model` and its bases define.

    The declarations are for the reader and the type checker; at run time the class is empty.
    """

    if TYPE_CHECKING:
        _carries_masks: bool
        _ids: tuple[bool, ...]
        _plan: Plan | None
        trainable: bool
        stop_predicting: bool

        @property
        def layers(self) -> Any: ...
        @property
        def stateful(self) -> bool: ...
        @property
        def _input_layers(self) -> list[InputLayer]: ...
        @property
        def _usual_rows(self) -> int: ...
        def _require_plan(self) -> Plan: ...
        def _begin(self, constant: Callable[[torch.Tensor], Any]) -> tuple[Plan, list[Any]]: ...
        def _inputs_by_slot(self) -> dict[int, InputLayer]: ...
        def _layer_of(self, step: Step) -> Layer: ...
