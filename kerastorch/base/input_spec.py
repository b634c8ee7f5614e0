"""InputSpec: what a layer of a person's own says about the inputs that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..dtypes import any_dtype, dtype_name
from ..errors import ArgumentError, ShapeError, counted, quote
from ..structure import leaves, map_shapes


class InputSpec:
    """The rank, sizes and dtype of an input, as `keras.layers.InputSpec`: `self.input_spec = InputSpec(min_ndim=3)`.

    A layer with an `input_spec` refuses inputs that do not fit it.

    Args:
        dtype: Of the input; not checked, since inputs are cast.
        shape: The whole shape, None where any size will do.
        ndim: The number of axes.
        max_ndim: The largest number of axes.
        min_ndim: The least number of axes.
        axes: Axis -> its size; None where any size will do.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing, or be there, where `shape` differs.
        name: Of the input, where inputs are given in a dict.
        optional: Whether the input may be None.

    Example:
        >>> InputSpec(ndim=3, axes={-1: 8})
        InputSpec(ndim=3, axes={-1: 8})
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[Any, Any] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else dtype_name(any_dtype(dtype))
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(tuple(shape))
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.name, self.optional = name, optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (TypeError, ValueError, AttributeError):
            raise ArgumentError(f"InputSpec: axes: expected a dict of axes and sizes, got {quote(axes)}.") from None
        most = self.ndim if self.ndim is not None else max_ndim
        if most is not None and any(axis >= most for axis in self.axes):
            raise ArgumentError(
                f"InputSpec: axes: {max(self.axes)} is beyond the {counted(most, 'axis', 'axes')} of the input."
            )

    def get_config(self) -> dict[str, Any]:
        """The arguments, without those of no effect."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> InputSpec:
        """Make one from `get_config()`'s result."""
        return cls(**config)

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.get_config().items() if value not in (None, {}, False)}
        if self.shape is not None:
            shown.pop("ndim")
        return f"InputSpec({', '.join(f'{key}={value!r}' for key, value in shown.items())})"

    def check(self, where: str, shape: tuple[Any, ...]) -> None:
        """Raise `ShapeError` unless a shape fits."""
        wanted = self.shape
        if wanted is not None and self.allow_last_axis_squeeze:
            if wanted and wanted[-1] == 1:
                wanted = wanted[:-1]
            if shape and shape[-1] == 1:
                shape = shape[:-1]
        rank = len(shape)
        ranks = ((self.ndim if wanted is None else len(wanted), "=="), (self.max_ndim, "<="), (self.min_ndim, ">="))
        for bound, sign in ranks:
            fits = bound is None or {"==": rank == bound, "<=": rank <= bound, ">=": rank >= bound}[sign]
            if not fits:
                raise ShapeError(f"{where}: input_spec asks for ndim {sign} {bound}, got an input of shape {shape}.")
        for axis, size in self.axes.items():
            if size is not None and -rank <= axis < rank and shape[axis] not in (size, None):
                raise ShapeError(f"{where}: input_spec asks for size {size} on axis {axis}, got shape {shape}.")
        for size, found in zip(wanted or (), shape, strict=False):
            if size is not None and found is not None and size != found:
                raise ShapeError(f"{where}: input_spec asks for shape {self.shape}, got {shape}.")


def check_specs(where: str, specs: Any, shapes: Any) -> None:
    """Check the shapes of a layer's inputs against its `input_spec`: one, or a list or dict of them.

    Raises:
        ArgumentError: There is another number of inputs.
    """
    if not any(isinstance(item, InputSpec) for item in leaves(specs)):
        return  # an attribute of somebody's own
    found: list[tuple[Any, ...]] = []
    if isinstance(specs, Mapping) and isinstance(shapes, Mapping):
        shapes = [shapes.get(spec.name or key) for key, spec in specs.items()]
        specs = list(specs.values())
    map_shapes(lambda shape: found.append(tuple(shape)), shapes)
    given = (
        list(specs.values()) if isinstance(specs, Mapping) else specs if isinstance(specs, (list, tuple)) else [specs]
    )
    if len(found) != len(given):
        raise ArgumentError(f"{where}: input_spec is for {counted(len(given), 'input')}, got {len(found)}.")
    for spec, shape in zip(given, found, strict=True):
        if spec is not None:
            spec.check(where, shape)


# ---------------------------------------------------------------- what Keras's own layers say of their inputs

# A class says `_keras_spec = ...`, with one of these: methods of a layer.


def unsaid(layer: Any) -> Any:
    """Nothing."""
    return None


def with_axes(count: int) -> Callable[[Any], Any]:
    """So many axes."""
    return lambda layer: InputSpec(ndim=count)


def of_images(layer: Any) -> Any:
    """The axes of a row, an image or a volume, with those of the batch and the channels."""
    return InputSpec(ndim=type(layer).SPATIAL + 2)


def _channels(layer: Any) -> dict[int, int | None] | None:
    """The size of the channels, once the layer is built."""
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    return {axis: layer._build_shape[axis]} if layer._built else None


def with_channels(layer: Any) -> Any:
    """At least the axes of an image, or of a matrix, with the channels that the layer is built for."""
    return InputSpec(min_ndim=type(layer).SPATIAL + 2, axes=_channels(layer))


def of_images_with_channels(layer: Any) -> Any:
    """Exactly the axes of an image, with the channels that the layer is built for."""
    return InputSpec(ndim=type(layer).SPATIAL + 2, axes=_channels(layer))


def as_built(axes: Callable[[Any], Iterable[int]]) -> Callable[[Any], Any]:
    """Nothing before the layer is built; then so many axes, with the sizes of some of them."""

    def spec(layer: Any) -> Any:
        shape = layer._build_shape if layer._built else None
        return None if shape is None else InputSpec(ndim=len(shape), axes={axis: shape[axis] for axis in axes(layer)})

    return spec
