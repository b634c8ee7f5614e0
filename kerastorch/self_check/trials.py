"""A model around each example of each layer, with weights and inputs that are the same everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from ..base.layer import REGISTRY, Example
from ..layers import RNN, Masking
from ..layers.rnn.gated_cell import GatedCell
from ..layers.rnn.sequence import SequenceLayer
from ..models import Input, Model
from ..structure import map_shapes

CELLS = ("StackedRNNCells",)  # and every GatedCell: they are run by an RNN
NOTHING_TO_COMPUTE = ("InputLayer",)
OVER_STEPS = ("Bidirectional", "TimeDistributed", "GlobalAveragePooling1D")  # and every SequenceLayer


@dataclass(frozen=True)
class Trial:
    """One example of a layer.

    Attributes:
        cls: The class.
        example: Its configuration and the shape of its input.
        masked: Whether some steps of the input are masked.
    """

    cls: type[Any]
    example: Example
    masked: bool

    @property
    def key(self) -> str:
        """A name that no other trial has."""
        return f"{self.cls._class_name}: {self.example.name}" + (", masked" if self.masked else "")

    @property
    def seed(self) -> int:
        return crc32(self.key.encode())

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the inputs."""
        shape = self.example.input_shape
        if _is_cell(self.cls):
            return [(shape[0], 4, *shape[1:])]
        found: list[Any] = []
        map_shapes(found.append, shape)
        return found

    @property
    def digest(self) -> str:
        """Of everything that the values depend on but the arithmetic."""
        said = json.dumps([self.key, self.example.config, self.shapes], sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def model(self) -> Model:
        """The model, in float32 on the CPU, with its weights, in inference."""
        layer = self.cls.from_config({**self.example.config, "name": "it"})
        if _is_cell(self.cls):
            layer = RNN(layer, return_sequences=True, name="it")
        words = self.example.config.get("input_dim")
        dtype = "int32" if words else "float32"
        inputs = [Input(shape[1:], dtype=dtype, name=f"in_{place}") for place, shape in enumerate(self.shapes)]
        given: list[Any] = [Masking(name="mask")(inputs[0])] if self.masked else list(inputs)
        several = isinstance(self.example.input_shape, list)
        outputs = layer(*given) if layer._call_arguments.tensors else layer(given if several else given[0])
        model = Model(inputs if several else inputs[0], outputs, name="around").eval()
        rng = np.random.RandomState(self.seed)
        made = [_weight(variable.name, variable.trainable, variable.shape, rng) for variable in model.variables]
        model.set_weights([array.astype(own.dtype) for array, own in zip(made, model.get_weights(), strict=True)])
        return model

    def inputs(self) -> list[np.ndarray]:
        """The arrays for it, float32 or int32."""
        rng = np.random.RandomState(self.seed ^ 1)
        words: Any = self.example.config.get("input_dim")
        if words:
            return [rng.randint(words, size=shape).astype("int32") for shape in self.shapes]
        arrays = [rng.standard_normal(shape).astype("float32") for shape in self.shapes]
        if self.masked:
            for row, steps in enumerate(arrays[0]):
                steps[np.arange(len(steps)) % 3 == row % 3] = 0
        return arrays


def _is_cell(cls: type[Any]) -> bool:
    return issubclass(cls, GatedCell) or cls._class_name in CELLS


def _weight(name: str, trainable: bool, shape: Sequence[int], rng: np.random.RandomState) -> np.ndarray:
    """Distinct values, of the precision of float32; positive where they are no weights that are trained: variances."""
    values = rng.uniform(0.1, 0.9, tuple(shape))
    values *= np.where(rng.uniform(size=tuple(shape)) < 1 / 3, -1.0, 1.0)
    return (values if trainable else np.abs(values)).astype("float32")


def _masks(cls: type[Any], example: Example) -> bool:
    shape = example.input_shape
    through = issubclass(cls, SequenceLayer) or cls._class_name in OVER_STEPS
    cudnn = cls._class_name.startswith("CuDNN")  # which know no mask
    first = example.config.get("data_format") == "channels_first"  # then the second axis is no time
    return through and not cudnn and not first and not isinstance(shape, list) and len(shape) == 3


def trials() -> list[Trial]:
    """Every example of every layer, and those over time once more with masked steps."""
    found = []
    registered: list[Any] = list(REGISTRY.values())
    for cls in registered:
        for example in cls.EXAMPLES if cls._class_name not in NOTHING_TO_COMPUTE else ():
            found.append(Trial(cls, example, masked=False))
            if _masks(cls, example):
                found.append(Trial(cls, example, masked=True))
    return found
