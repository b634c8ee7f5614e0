"""The arguments that every layer takes, for type checkers: a misspelt one is flagged in the code of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypedDict

    class CommonOptions(TypedDict, total=False):
        """Arguments by keyword, with Keras's names, defaults and meaning, that no layer has for something else."""

        name: str | None
        dtype: Any
        trainable: bool
        input_shape: Any
        batch_input_shape: Any
        batch_size: int | None
        autocast: bool

    class WeightedOptions(CommonOptions, total=False):
        """The same of layers that state their `activity_regularizer` themselves."""

        input_dim: int | None
        input_length: int | None
        weights: Any

    class BaseOptions(WeightedOptions, total=False):
        """The arguments that every layer takes."""

        activity_regularizer: Any

    class MergeOptions(BaseOptions, total=False):
        """Those of layers that merge."""

        keras2_masks: bool
