"""A model's symbolic inputs and outputs as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base.free_names import yielding
from ..base.graph import SymbolicTensor
from ..errors import attribute
from ..structure import leaves


class WithEnds:
    """The part of `Model` that tells where its graph begins and ends; abstract."""

    if TYPE_CHECKING:  # what `Model` defines

        def _symbolic_ends(self) -> tuple[Any, Any]: ...

    @property
    @attribute
    def input(self) -> Any:
        """The symbolic inputs, nested as `Model(inputs=...)` had them."""
        return self._symbolic_ends()[0]

    @property
    @attribute
    def output(self) -> Any:
        """The symbolic outputs, nested as `Model(outputs=...)` had them."""
        return self._symbolic_ends()[1]

    @property
    @attribute
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs, in order."""
        return leaves(self._symbolic_ends()[0])

    @property
    @attribute
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs, in order."""
        return leaves(self._symbolic_ends()[1])

    @yielding
    @attribute
    def input_names(self) -> list[str]:
        """The names of the input layers, in order."""
        return [tensor.node.layer.name for tensor in self.inputs]

    @property
    @attribute
    def output_names(self) -> list[str]:
        """The names of the layers that make the outputs, in order."""
        return [tensor.node.layer.name for tensor in self.outputs]
