"""What the parts of a layer ask of the whole, declared in one place: so none of them has to import `Layer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..errors import NotBuiltError
    from ..weights import Filler, Var
    from .variable import Variable


class AnyLayer(nn.Module):
    """A layer, to the modules that `Layer` is made of; abstract. What stands here `Layer` and its bases define.

    The declarations are for the reader and the type checker; at run time the class is empty.
    """

    if TYPE_CHECKING:
        # nn.Module's says that every name is there, misspelt ones as well.
        __getattr__: None  # type: ignore[assignment]
        # ---------------------------------------------------------------- declared by classes
        WEIGHTS: ClassVar[tuple[Var, ...]]
        FILLERS: ClassVar[tuple[Filler, ...]]
        SPATIAL: ClassVar[int]
        _class_name: ClassVar[str]
        _has_policy: ClassVar[bool]
        _casts_itself: ClassVar[bool]
        _takes_ids: bool
        _takes_training: ClassVar[bool]
        _takes_mask: ClassVar[bool]
        _makes_mask: bool
        _takes_masks_off: bool
        _tracks: ClassVar[bool]
        _records: ClassVar[bool]
        _keeps_image: bool
        CONFIG: ClassVar[tuple[str, ...]]
        VARS_PATH: ClassVar[str]
        _weight_names: ClassVar[frozenset[str]]  # Keras's, of the declared weights
        _call_arguments: Any  # `CallArguments`
        _any_shape: Any

        # ---------------------------------------------------------------- configuration
        name: str
        supports_masking: bool
        _trainable: bool
        _dtype: torch.dtype
        _mixed: torch.dtype | None
        _casts: bool
        _autocast: bool
        _states_dtype: bool
        _borrowed: torch.dtype | None
        _activity_regularizer: Any
        _watched: bool

        @classmethod
        def _config_keys(cls) -> tuple[str, ...]: ...
        @classmethod
        def from_config(cls, config: Mapping[str, Any]) -> Any: ...
        def get_config(self) -> dict[str, Any]: ...

        def _call_on_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any: ...

        # ---------------------------------------------------------------- building
        _built: bool
        _build_depth: int
        _build_shape: Any
        _added_weights: list[Var]
        _initial_weights: list[Any] | None
        _values_on: torch.device | None

        @property
        def built(self) -> bool: ...
        @property
        def _in_shape(self) -> Any: ...
        def build(self, input_shape: Any) -> None: ...
        def _build_for_call(self, shapes: Any) -> None: ...
        def _check_input_shape(self, input_shape: Any) -> None: ...
        def _adopt_added_weights(self) -> None: ...
        def _not_built(self, what: str) -> NotBuiltError: ...
        def set_weights(self, weights: Any) -> None: ...
        def _weight_by_name(self, name: str) -> Any: ...
        def _set_weight(self, name: str, value: Any) -> None: ...
        def _own_variables(self) -> list[Variable]: ...

        _inner_cell: Any
        _variable_objects: dict[Any, Any]
        _parent_path: str | None

        @property
        def _path(self) -> str: ...

        # ---------------------------------------------------------------- calling
        _called_on: tuple[tuple[Any, ...], dict[str, Any]] | None
        _penalties: tuple[Tensor, ...]

        @property
        def dtype(self) -> torch.dtype: ...
        @property
        def _computes_in(self) -> torch.dtype: ...
        @property
        def _policy_dtype(self) -> torch.dtype: ...
        @property
        def _on_device(self) -> torch.device: ...
        def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any: ...
        def _output_shape(self, shapes: Any) -> Any: ...
        def _output_dtypes(self, input_dtype: torch.dtype) -> list[torch.dtype]: ...
        def compute_output_shape(self, input_shape: Any) -> Any: ...
        def _mask_behind(self, inputs: Any, mask: Any) -> Any: ...
        def _forget_states(self) -> None: ...
