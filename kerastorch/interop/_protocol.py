"""What the translators ask of the trace that they work for, declared in one place: none of them imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import Tensor, nn

    from ..base.graph import SymbolicTensor
    from ..layers import Embedding

_L = TypeVar("_L", bound=Layer)


class Tracer:
    """A trace, to the functions that translate what torch does; abstract. `ModuleTracer` defines what stands here.

    The declarations are for the reader and the type checker; at run time the class is empty.
    """

    if TYPE_CHECKING:
        functions: Mapping[str, Callable[..., Any]]  # what translates each function of torch, by name
        sum_biases: bool
        refused: list[str]
        notes: list[str]
        states_used: set[str] | None
        states_seen: set[str]
        paths: dict[int, str]  # of the modules, by id
        homes: Mapping[int, str]
        made: dict[Any, Any]  # layers by module and by parameter
        uses: Any  # `Uses`, of parameters
        before: Any  # the earlier trace
        forms: dict[str, set[tuple[int, int]]]
        names: set[str]
        packs: bool
        orders: bool

        def value(self, tensor: Tensor) -> Any: ...
        def record(self, tensor: Tensor, value: Any) -> None: ...
        def take(self, module: nn.Module) -> str: ...
        def name_of(self, parameter: Any) -> str | None: ...
        def ones(self, dtype: torch.dtype) -> SymbolicTensor: ...
        def frozen_table(self, constant: Tensor, axis: int, rows: Tensor) -> Embedding: ...
        def named(self, layer: _L, module: nn.Module, ending: str = "") -> _L: ...
        def call_it(self, layer: _L, name: str) -> _L: ...
        def name_others(self, outputs: Any) -> None: ...
