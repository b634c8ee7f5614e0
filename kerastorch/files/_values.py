"""What a reader hands on: plain values that can be printed, compared and tested alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import numpy as np

from kerastorch.errors import LoadError

Format = Literal[
    "Keras v3 .keras zip",
    "Keras v3 .weights.h5",
    "Keras v3 sharded weights",
    "legacy HDF5 model",
    "legacy HDF5 weights",
    "SavedModel",
    "TensorFlow checkpoint",
    "TensorFlow.js layers model",
    "pickled arrays",
]
NO_MODEL = "the model"  # what was left out of a container that could hold one and does not
OF_TENSORFLOW: tuple[Format, ...] = ("SavedModel", "TensorFlow checkpoint")


@dataclass(frozen=True)
class Array:
    """One array of a file, not read yet.

    Args:
        where: Its place in the file ("model_weights/lstm_1/lstm_1/kernel:0").
        shape: Its shape.
        dtype: numpy's name, or "bfloat16"; "opaque2" for two bytes whose meaning the file does not state
            (legacy files write bfloat16 so: the layer's dtype policy decides).
    """

    where: str
    shape: tuple[int, ...]
    dtype: str
    _read: Callable[[], np.ndarray] = field(repr=False, compare=False)
    _read_rows: Callable[[int, int], np.ndarray] | None = field(default=None, repr=False, compare=False)
    _unwritten: Callable[[], int] = field(default=lambda: 0, repr=False, compare=False)

    @property
    def unwritten(self) -> int:
        """Bytes of what was read that nobody has written to the file: its fill value stands there."""
        return self._unwritten()

    def read(self) -> np.ndarray:
        """Return the values, read only; bfloat16 and opaque2 as their uint16 bits.

        The memory may be a part of a larger piece of the file, aligned or not: copy it before it goes into anything
        that lives on.
        """
        return self._read()

    @property
    def in_rows(self) -> bool:
        """Whether some rows can be read without the others."""
        return self._read_rows is not None

    def read_rows(self, at: int, end: int) -> np.ndarray:
        """Return some of the first axis, as `read` does."""
        return self.read()[at:end] if self._read_rows is None else self._read_rows(at, end)

    def made_by(self, function: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> Array:
        """An array of that shape that a function makes of this one's values."""
        made = lambda: function(self.read())  # noqa: E731
        return Array(self.where, shape, self.dtype, made, _unwritten=self._unwritten)


@dataclass(frozen=True)
class LegacyLayer:
    """The weights of one layer in a legacy file: (weight name, array), in the order of the file."""

    name: str
    weights: tuple[tuple[str, Array], ...]


@dataclass(frozen=True)
class LegacyWeights:
    """The weights of a legacy file: every layer in the order of `layer_names`, also those without weights.

    Attributes:
        layers: The layers.
        top_level: What belongs to the model itself.
        as_made: Whether those of a layer stand in the order in which they were made, as in a checkpoint of TensorFlow;
            else those that are trained come first.
        flat: Whether the one layer that there is stands for all of the model: its arrays are those of `get_weights`.
    """

    layers: tuple[LegacyLayer, ...]
    top_level: tuple[tuple[str, Array], ...]
    as_made: bool = False
    flat: bool = False

    @property
    def arrays(self) -> list[Array]:
        """Every array, in the order of the file."""
        return [array for group in (*(layer.weights for layer in self.layers), self.top_level) for _, array in group]


@dataclass(frozen=True)
class TreeObject:
    """The variables of one object, and its name if the file states it (Keras 3.6 and later).

    Args:
        arrays: `vars/0..n-1`, as built-in layers write them; or as `keys` says.
        name: The object's, or None.
        keys: What the arrays are called where a class of a person's own has called them otherwise.
        strange: Why no built-in layer can read them then; only where they were read.
        words: The vocabulary of a layer of text, which stands beside the arrays, with the special words in front.
    """

    arrays: tuple[Array, ...]
    name: str | None
    keys: tuple[str, ...] | None = None
    strange: LoadError | None = field(default=None, compare=False)
    words: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TreeWeights:
    """The objects of a Keras v3 weights tree by their path ("layers/lstm/cell"; "" is the model itself).

    Only objects that have arrays or a name. Paths are as written, the container too ("layers" or
    "_layer_checkpoint_dependencies"), but for Windows separators, which are "/" here.
    """

    objects: Mapping[str, TreeObject]

    @property
    def arrays(self) -> list[Array]:
        """Every array, in the order of the file."""
        return [array for item in self.objects.values() for array in item.arrays]


@dataclass(frozen=True)
class OptimizerState:
    """The arrays of an optimizer, in the order in which its Keras lists them.

    Args:
        arrays: (name, array); the names of a tree are numbers.
        what: The optimizer and how many arrays there are, for messages.
        name: What the optimizer is called, where the file says so or is to say so.
        inner: The same arrays but those of the optimizer around another one, where Keras writes both; only written.
    """

    arrays: tuple[tuple[str, Array], ...]
    what: str = "optimizer"
    name: str | None = None
    inner: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A part of the file that was left alone, why, and whether a load says so without being asked."""

    what: str
    reason: str
    warns: bool = False


@dataclass(frozen=True)
class Archive:
    """A Keras file: what it says about itself, its architecture, and its arrays, which are read one by one later.

    Args:
        path: The file, as it was given.
        format: What kind of file it is.
        keras_version: The version that wrote it, where the file says so.
        backend: The backend that wrote it, where the file says so.
        config: The architecture as the file states it; None for a file of weights.
        weights: The arrays; None if the file holds none.
        training_config: Raw, never interpreted.
        skipped: What was left alone.
        optimizer: The state of the optimizer that the model was trained with; None if the file holds none.
        check_unchanged: Raises a LoadError if anybody has written to the file since it was opened: what was read may be
            partly the old and partly the new.

    Example:
        >>> with open_archive("model.keras") as archive:
        ...     archive.weights.objects["layers/lstm/cell"].arrays[0].shape
        (1, 20)
    """

    path: str
    format: Format
    keras_version: str | None
    backend: str | None
    config: dict[str, Any] | None
    weights: LegacyWeights | TreeWeights | None
    training_config: dict[str, Any] | None
    skipped: tuple[Skipped, ...]
    _close: Callable[[], None] = field(repr=False, compare=False)
    optimizer: OptimizerState | None = None
    check_unchanged: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def of_keras1(self) -> bool:
        """Whether Keras 1 wrote the weights: an HDF5 file that states no later version, which all others do."""
        hdf5 = self.format in ("legacy HDF5 model", "legacy HDF5 weights")
        return hdf5 and (self.keras_version is None or self.keras_version.startswith("1."))

    @property
    def without_model(self) -> str:
        """What a message says of a file without an architecture."""
        why = "".join(f": {item.reason}" for item in self.skipped if item.what == NO_MODEL)
        arrays = [] if self.weights is None else self.weights.arrays
        listed = ", ".join(f"{array.where} {array.shape}" for array in arrays[:10])
        rest = f" and {len(arrays) - 10} more" if len(arrays) > 10 else ""
        held = f" Its arrays: {listed}{rest}." if self.format in OF_TENSORFLOW else ""
        return f"this file holds weights only ({self.format}{why}), no model.{held}"

    def close(self) -> None:
        """Let go of the file. Arrays that were read stay valid; unread ones can no longer be read."""
        self._close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
