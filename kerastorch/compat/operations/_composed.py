"""Functions of TensorFlow that are several operations of today, or one with arguments of another kind."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from ._expression import (
    Expression,
    NotSupported,
    constant,
    is_symbolic,
    operation,
    whole_number,
    whole_numbers,
)  # fmt: skip

_MOST_STEPS = 1_000_000


def _no(reason: str) -> Any:
    def refuse(**unused: Any) -> Expression:
        raise NotSupported(reason)

    return refuse


data_dependent = _no("how many values it returns depends on the data")
random = _no("it draws random numbers in every call, in inference too; use a Dropout layer")
lost = _no("TensorFlow's Keras left some of its arguments out of the file")


def _swapped(x: Any, swap: Any) -> Any:
    return operation("Swapaxes", x, -1, -2) if swap else x


def matmul(a: Any, b: Any, transpose_a: Any = False, transpose_b: Any = False, **rest: Any) -> Expression:
    for name in ("a_is_sparse", "b_is_sparse"):
        if rest.pop(name, False):
            raise NotSupported("sparse tensors are not supported")
    swap_a, swap_b = (transpose_a or rest.pop("adjoint_a", False)), (transpose_b or rest.pop("adjoint_b", False))
    return operation("Matmul", _swapped(a, swap_a), _swapped(b, swap_b))


def matvec(a: Any, b: Any, transpose_a: Any = False) -> Expression:
    product = operation("Matmul", _swapped(a, transpose_a), operation("ExpandDims", b, -1))
    return operation("Squeeze", product, -1)


def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Expression:
    on, off = constant(on_value, "on_value"), constant(off_value, "off_value")
    hot = operation("OneHot", indices, num_classes=depth, axis=-1 if axis is None else axis, dtype=dtype)
    if on in (None, 1, True) and off in (None, 0, False):
        return hot
    on, off = 1 if on is None else on, 0 if off is None else off
    return operation("Add", operation("Multiply", hot, on - off), off)


def gather(params: Any, indices: Any, axis: Any = None, batch_dims: Any = 0) -> Expression:
    batch = whole_number(0 if batch_dims is None else batch_dims, "batch_dims")
    at = batch if axis is None else whole_number(axis, "axis")
    if batch == 0:
        return operation("Take", params, indices, axis=at)
    return operation("BatchTake", params, indices, axis=at, batch_dims=batch)


def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Expression:
    del num  # the length of num_or_size_splits
    if is_symbolic(num_or_size_splits):
        raise NotSupported("the sizes of the parts are computed in the graph; they must be constants")
    sizes = constant(num_or_size_splits, "num_or_size_splits")
    if isinstance(sizes, int):
        return operation("Split", value, sizes, axis)
    sizes = whole_numbers(sizes, "num_or_size_splits")
    if sizes.count(-1) > 1:
        raise NotSupported("more than one part is of unknown size")
    known = sizes.index(-1) if -1 in sizes else len(sizes) - 1
    before = list(accumulate(sizes[:known]))
    after = [-total for total in reversed(list(accumulate(reversed(sizes[known + 1 :]))))]
    return operation("Split", value, [*before, *after], axis)


def squeeze(input: Any, axis: Any = None) -> Expression:
    axes = None if axis is None else whole_numbers(axis, "axis")
    return operation("Squeeze", input, axes or None)


def concat(values: Any, axis: Any) -> Expression:
    return operation("Concatenate", values, whole_number(axis, "axis"))


def reduced(function: str) -> Any:
    def make(x: Any, axis: Any = None, keepdims: Any = None) -> Expression:
        axes = None if axis is None else whole_numbers(axis, "axis")
        single = axes[0] if axes is not None and len(axes) == 1 else axes
        return operation(function, x, axis=single, keepdims=bool(keepdims))

    return make


def euclidean(x: Any, axis: Any = None, keepdims: Any = None) -> Expression:
    return operation("Sqrt", reduced("Sum")(operation("Square", x), axis, keepdims))


def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None) -> Expression:
    axes = None if axis is None else whole_numbers(axis, "axis")
    if ord == "euclidean" or (ord == 2 and (axes is None or len(axes) == 1)):
        return euclidean(tensor, axis, keepdims)
    if axes is None or len(axes) > 1:
        raise NotSupported(f"ord={ord!r} of a matrix; 'euclidean' is supported")
    return operation("Norm", tensor, ord=ord, axis=axes, keepdims=bool(keepdims))


def l2_normalize(x: Any, axis: Any = None, epsilon: Any = 1e-12) -> Expression:
    squares = reduced("Sum")(operation("Square", x), axis, True)
    return operation("Multiply", x, operation("Rsqrt", operation("Maximum", squares, epsilon)))


def squared_difference(x: Any, y: Any) -> Expression:
    return operation("Square", operation("Subtract", x, y))


def l2_loss(t: Any) -> Expression:
    return operation("Multiply", operation("Sum", operation("Square", t)), 0.5)


def add_n(inputs: Any) -> Expression:
    if not isinstance(inputs, list):
        inputs = [inputs]
    if len(inputs) == 1:
        return operation("ConvertToTensor", inputs[0])  # itself: its mask stays
    return operation("Sum", operation("Stack", inputs, 0), axis=0)


def bias_add(value: Any, bias: Any, data_format: Any = None) -> Expression:
    if data_format in ("NCHW", "NC"):
        raise NotSupported(f"data_format={data_format!r}; put the channels last")
    return operation("Add", value, bias)


def running(function: str) -> Any:
    def make(x: Any, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> Expression:
        at = whole_number(axis, "axis")
        found = operation(function, operation("Flip", x, at) if reverse else x, axis=at)
        found = operation("Flip", found, at) if reverse else found
        if exclusive and function != "Cumsum":
            raise NotSupported("exclusive products are not supported")
        return operation("Subtract", found, x) if exclusive else found

    return make


def pad(tensor: Any, paddings: Any, mode: Any = "CONSTANT", constant_values: Any = 0) -> Expression:
    widths = constant(paddings, "paddings")
    values = None if mode != "CONSTANT" else constant(constant_values, "constant_values")
    return operation("Pad", tensor, values, pad_width=widths, mode=str(mode).lower())


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Expression:
    if maxlen is None:
        raise NotSupported("without maxlen, how long it is depends on the data")
    if is_symbolic(maxlen):
        steps: Any = operation("Arange", 0, maxlen)
    elif 0 <= whole_number(maxlen, "maxlen") <= _MOST_STEPS:
        steps = list(range(whole_number(maxlen, "maxlen")))
    else:
        raise NotSupported(f"maxlen is not between 0 and {_MOST_STEPS:,}")
    mask = operation("Less", steps, operation("ExpandDims", lengths, -1))
    return mask if dtype in (None, "bool") else operation("Cast", mask, dtype)


def get_item(tensor: Any, slice_spec: Any) -> Expression:
    parts = slice_spec if isinstance(slice_spec, list) else [slice_spec]
    return operation("GetItem", tensor, [_index(part) for part in parts])


def _index(part: Any) -> Any:
    if isinstance(part, dict):
        if part.get("class_name") == "__ellipsis__":
            return {"class_name": "__ellipsis__", "config": {}}
        if part.get("class_name") == "__slice__":
            return part
        return _slice(*(part.get(key) for key in ("start", "stop", "step")))
    return part


def _slice(start: Any, stop: Any, step: Any) -> dict[str, Any]:
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def part(input_: Any, begin: Any, size: Any) -> Expression:
    """`tf.slice`: where it begins on each axis, and how many; -1 is all that follow."""
    begins = begin if isinstance(begin, list) else whole_numbers(begin, "begin")
    sizes = whole_numbers(size, "size")
    if len(begins) != len(sizes):
        raise NotSupported("begin and size are of different lengths")
    key = []
    for first, count in zip(begins, sizes, strict=True):
        last = None if count == -1 else first + count if isinstance(first, int) else operation("Add", first, count)
        key.append(_slice(first, last, None))
    return operation("GetItem", input_, key)


def strided_slice(
    input: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Expression:
    """The bits of each mask stand for the places of the key."""
    firsts, lasts = whole_numbers(begin, "begin"), whole_numbers(end, "end")
    steps = [1] * len(firsts) if strides is None else whole_numbers(strides, "strides")
    masks = (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask = (
        whole_number(mask, "a mask of strided_slice") for mask in masks
    )
    if not len(firsts) == len(lasts) == len(steps):
        raise NotSupported("begin, end and strides are of different lengths")
    key: list[Any] = []
    for at, (first, last, step) in enumerate(zip(firsts, lasts, steps, strict=True)):
        bit = 1 << at
        if ellipsis_mask & bit:
            key.append({"class_name": "__ellipsis__", "config": {}})
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(first)
        else:
            key.append(_slice(None if begin_mask & bit else first, None if end_mask & bit else last, step))
    return operation("GetItem", input, key)


def filled(value: float) -> Any:
    def make(shape: Any, dtype: Any = None) -> Expression:
        return operation("Full", value, shape=shape, dtype="float32" if dtype is None else dtype)

    return make


def like(value: int) -> Any:
    def make(x: Any, dtype: Any = None) -> Expression:
        return operation("OnesLike" if value else "ZerosLike", x, dtype=dtype)

    return make


def arange(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Expression:
    return operation("Arange", *((0, start) if limit is None else (start, limit)), delta, dtype=dtype)


def choose(condition: Any, x: Any = None, y: Any = None) -> Expression:
    if x is None or y is None:
        raise NotSupported("without values, how many places it finds depends on the data")
    return operation("Where", condition, x, y)


def dropout(x: Any, rate: Any = None, **unused: Any) -> Expression:
    if rate == 0:
        return operation("ConvertToTensor", x)  # itself: its mask stays
    return random()


def identity(x: Any) -> Expression:
    return operation("Copy", x)


def shape_of(input: Any, out_type: Any = "int32") -> Expression:
    shape = operation("Shape", input)
    return shape if out_type in (None, "int32") else operation("Cast", shape, out_type)


def moments(x: Any, axes: Any, keepdims: Any = False) -> Expression:
    return operation("Moments", x, axes=whole_numbers(axes, "axes"), keepdims=bool(keepdims))


def stack(values: Any, axis: Any = 0) -> Expression:
    return operation("Stack", values if isinstance(values, list) else [values], axis)


def leaky_relu(features: Any, alpha: Any = 0.2) -> Expression:
    return operation("LeakyRelu", features, negative_slope=alpha)


def clip(t: Any, clip_value_min: Any, clip_value_max: Any) -> Expression:
    if is_symbolic(clip_value_min) or is_symbolic(clip_value_max):
        return operation("Minimum", operation("Maximum", t, clip_value_min), clip_value_max)
    return operation("Clip", t, clip_value_min, clip_value_max)
