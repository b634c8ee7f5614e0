"""Operations of TensorFlow's graphs, by the names that TensorFlowOpLayer (TensorFlow 2.0 to 2.3) writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import _composed as composed
from ._rows import Make, Row, row


@dataclass(frozen=True)
class GraphRow:
    """One operation: the names of its inputs in order, of its attributes, and what it is today.

    Attributes:
        inputs: One name each; a last or first one with a star takes all that are left.
        attributes: Those that change the result; the types of inputs say nothing.
        row: What these arguments are today.
    """

    inputs: tuple[str, ...]
    attributes: tuple[str, ...]
    row: Row


def _raw(make: str | Make, inputs: str, attributes: str = "", /, **fixed: object) -> GraphRow:
    old = [word.partition(":")[0] for word in inputs.split()]
    names = f"{inputs} {attributes}".replace("*", "")
    keys = tuple(word.partition(":")[0] for word in attributes.split())
    return GraphRow(tuple(old), keys, row(make, names, **fixed))


def _unary(names: str) -> dict[str, GraphRow]:
    return {old: _raw(new, "x") for old, new in (word.split(":") for word in names.split())}


def _binary(names: str) -> dict[str, GraphRow]:
    return {old: _raw(new, "x:x1 y:x2") for old, new in (word.split(":") for word in names.split())}


def _reduced(names: str) -> dict[str, GraphRow]:
    return {
        old: _raw(composed.reduced(new), "x axis", "keep_dims:keepdims")
        for old, new in (word.split(":") for word in names.split())
    }


OPERATIONS: Mapping[str, GraphRow] = {
    **_unary(
        "Abs:Absolute Neg:Negative Square:Square Sqrt:Sqrt Rsqrt:Rsqrt Exp:Exp Expm1:Expm1 Log:Log Log1p:Log1p Sin:Sin "
        "Cos:Cos Tan:Tan Asin:Arcsin Acos:Arccos Atan:Arctan Sinh:Sinh Cosh:Cosh Tanh:Tanh Asinh:Arcsinh Acosh:Arccosh "
        "Atanh:Arctanh Sigmoid:Sigmoid Erf:Erf Sign:Sign Floor:Floor Ceil:Ceil Round:Round Rint:Round "
        "Reciprocal:Reciprocal Inv:Reciprocal IsNan:Isnan IsInf:Isinf IsFinite:Isfinite LogicalNot:LogicalNot "
        "Relu:Relu Relu6:Relu6 Selu:Selu Elu:Elu Softplus:Softplus Softsign:Softsign Softmax:Softmax "
        "LogSoftmax:LogSoftmax Identity:Copy Rank:Ndim Size:Size"
    ),
    **_binary(
        "AddV2:Add Add:Add Sub:Subtract Mul:Multiply RealDiv:TrueDivide DivNoNan:DivideNoNan FloorDiv:FloorDivide "
        "FloorMod:Mod Mod:Mod TruncateMod:Fmod Pow:Power Maximum:Maximum Minimum:Minimum Equal:Equal NotEqual:NotEqual "
        "Greater:Greater GreaterEqual:GreaterEqual Less:Less LessEqual:LessEqual LogicalAnd:LogicalAnd "
        "LogicalOr:LogicalOr BiasAddV1:Add"
    ),
    **_reduced("Sum:Sum Mean:Mean Max:Max Min:Min Prod:Prod Any:Any All:All"),
    "EuclideanNorm": _raw(composed.euclidean, "x axis", "keep_dims:keepdims"),
    "Atan2": _raw("Arctan2", "y:x1 x:x2"),
    "SquaredDifference": _raw(composed.squared_difference, "x y"),
    "AddN": _raw(composed.add_n, "*inputs"),
    "BiasAdd": _raw(composed.bias_add, "value bias", "data_format"),
    "StopGradient": _raw("StopGradient", "x:variable"),
    "LeakyRelu": _raw(composed.leaky_relu, "features", "alpha"),
    "ClipByValue": _raw(composed.clip, "t clip_value_min clip_value_max"),
    "Cast": _raw("Cast", "x", "DstT:dtype"),
    **dict.fromkeys(("Select", "SelectV2"), _raw(composed.choose, "condition x y")),
    "Where": _raw(composed.data_dependent, "condition"),
    "L2Loss": _raw(composed.l2_loss, "t"),
    "ArgMax": _raw("Argmax", "x axis"),
    "ArgMin": _raw("Argmin", "x axis"),
    "Cumsum": _raw(composed.running("Cumsum"), "x axis", "exclusive reverse"),
    "Cumprod": _raw(composed.running("Cumprod"), "x axis", "exclusive reverse"),
    "TopKV2": _raw("TopK", "x k", "sorted"),
    "MatMul": _raw(composed.matmul, "a b", "transpose_a transpose_b"),
    **dict.fromkeys(
        ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
        _raw(composed.matmul, "a b", "adj_x:transpose_a adj_y:transpose_b"),
    ),
    "Einsum": _raw("Einsum", "*operands", "equation:subscripts"),
    "Reshape": _raw("Reshape", "x newshape"),
    "ExpandDims": _raw("ExpandDims", "x axis"),
    "Squeeze": _raw(composed.squeeze, "input", "squeeze_dims:axis"),
    "Transpose": _raw("Transpose", "x axes"),
    "ConcatV2": _raw(composed.concat, "*values axis"),
    "Concat": _raw(composed.concat, "axis *values"),
    "Pack": _raw(composed.stack, "*values", "axis"),
    "Unpack": _raw("Unstack", "x", "axis num"),
    "Split": _raw(composed.split, "axis value", "num_split:num_or_size_splits"),
    "SplitV": _raw(composed.split, "value num_or_size_splits axis"),
    "Tile": _raw("Tile", "x repeats"),
    "ReverseV2": _raw("Flip", "x axis"),
    "Roll": _raw("Roll", "x shift axis"),
    "Pad": _raw(composed.pad, "tensor paddings"),
    "PadV2": _raw(composed.pad, "tensor paddings constant_values"),
    "MirrorPad": _raw(composed.pad, "tensor paddings", "mode"),
    "BroadcastTo": _raw("BroadcastTo", "x shape"),
    "Shape": _raw(composed.shape_of, "input", "out_type"),
    "ZerosLike": _raw(composed.like(0), "x"),
    "OnesLike": _raw(composed.like(1), "x"),
    "Fill": _raw("Full", "shape fill_value"),
    "Range": _raw(composed.arange, "start limit delta"),
    "Slice": _raw(composed.part, "input_ begin size"),
    "StridedSlice": _raw(
        composed.strided_slice,
        "input begin end strides",
        "begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask",
    ),
    "GatherV2": _raw(composed.gather, "params indices axis", "batch_dims"),
    "Gather": _raw(composed.gather, "params indices"),
    "ResourceGather": _raw(composed.lost, "params indices"),
    "OneHot": _raw(composed.one_hot, "indices depth on_value off_value", "axis"),
    **dict.fromkeys(("RandomUniform", "RandomStandardNormal", "TruncatedNormal"), _raw(composed.random, "shape")),
}
