"""What the parts of a model ask of the whole, declared in one place: so none of them has to import `Model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base.protocol import AnyLayer

if TYPE_CHECKING:
    from ._layer_list import HeldLayers
    from .graph import Chain, Graph
    from .input import InputLayer


class AnyModel(AnyLayer):
    """A model, to the modules that `Model` is made of; abstract. What stands here `Model` and its bases define.

    The declarations are for the reader and the type checker; at run time the class is empty.
    """

    if TYPE_CHECKING:
        _graph: Graph | Chain | None
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
        @property
        def _ids(self) -> tuple[bool, ...]: ...
        @property
        def _layer_list(self) -> HeldLayers: ...
