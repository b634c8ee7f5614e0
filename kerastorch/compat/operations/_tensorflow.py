"""Functions of TensorFlow in the graphs of tf.keras, by the names that TFOpLambda writes."""

from __future__ import annotations

from collections.abc import Mapping

from . import _composed as composed
from ._rows import Row, row

_AXES = "input_tensor:x axis keepdims keep_dims:keepdims reduction_indices:axis"


def _unary(names: str, argument: str = "x") -> dict[str, Row]:
    """`"math.exp:Exp"`: a function of one tensor."""
    pairs = [word.split(":") for word in names.split()]
    return {old: row(new, f"{argument}:x") for old, new in pairs}


def _binary(names: str, arguments: str = "x:x1 y:x2") -> dict[str, Row]:
    pairs = [word.split(":") for word in names.split()]
    return {old: row(new, arguments) for old, new in pairs}


FUNCTIONS: Mapping[str, Row] = {
    # ------------------------------------------------------------ one tensor, value by value
    **_unary(
        "math.abs:Absolute math.negative:Negative math.square:Square math.sqrt:Sqrt math.rsqrt:Rsqrt math.exp:Exp "
        "math.expm1:Expm1 math.log:Log math.log1p:Log1p math.sin:Sin math.cos:Cos math.tan:Tan math.asin:Arcsin "
        "math.acos:Arccos math.atan:Arctan math.sinh:Sinh math.cosh:Cosh math.tanh:Tanh math.asinh:Arcsinh "
        "math.acosh:Arccosh math.atanh:Arctanh math.sigmoid:Sigmoid math.erf:Erf math.sign:Sign math.floor:Floor "
        "math.ceil:Ceil math.round:Round math.rint:Round math.reciprocal:Reciprocal math.is_nan:Isnan "
        "math.is_inf:Isinf math.is_finite:Isfinite math.logical_not:LogicalNot math.log_sigmoid:LogSigmoid"
    ),
    **_unary("math.real:Real stop_gradient:StopGradient rank:Ndim", "input"),
    **_unary(
        "nn.relu:Relu nn.relu6:Relu6 nn.selu:Selu nn.elu:Elu math.softplus:Softplus nn.softplus:Softplus "
        "nn.softsign:Softsign",
        "features",
    ),
    "math.conj": row("Conjugate", "x"),
    "stop_gradient": row("StopGradient", "input:variable"),
    "nn.silu": row(lambda features, beta=1.0: _silu(features, beta), "features beta"),
    "nn.swish": row(lambda features, beta=1.0: _silu(features, beta), "features beta"),
    "nn.gelu": row("Gelu", "features:x approximate", approximate=False),
    "nn.leaky_relu": row(composed.leaky_relu, "features alpha"),
    "nn.softmax": row("Softmax", "logits:x axis dim:axis", axis=-1),
    "nn.log_softmax": row("LogSoftmax", "logits:x axis dim:axis", axis=-1),
    "cast": row("Cast", "x dtype"),
    "saturate_cast": row("SaturateCast", "value:x dtype"),
    "convert_to_tensor": row("ConvertToTensor", "value:x dtype dtype_hint: preferred_dtype:"),
    "identity": row(composed.identity, "input:x"),
    "ensure_shape": row(composed.identity, "x shape:"),
    "clip_by_value": row(composed.clip, "t clip_value_min clip_value_max"),
    "nn.dropout": row(composed.dropout, "x rate noise_shape seed keep_prob"),
    "nn.experimental.stateless_dropout": row(composed.random, "x rate seed noise_shape"),
    "zeros_like": row(composed.like(0), "input:x tensor:x dtype optimize: layout:"),
    "ones_like": row(composed.like(1), "input:x tensor:x dtype optimize: layout:"),
    # ------------------------------------------------------------ two tensors, value by value
    **_binary(
        "__operators__.add:Add math.add:Add math.subtract:Subtract math.multiply:Multiply math.truediv:TrueDivide "
        "math.divide:TrueDivide math.divide_no_nan:DivideNoNan math.floordiv:FloorDivide floor_div:FloorDivide "
        "math.floormod:Mod math.mod:Mod math.pow:Power math.maximum:Maximum math.minimum:Minimum math.equal:Equal "
        "math.not_equal:NotEqual math.greater:Greater "
        "math.greater_equal:GreaterEqual math.less:Less math.less_equal:LessEqual math.logical_and:LogicalAnd "
        "math.logical_or:LogicalOr math.logical_xor:LogicalXor truncatemod:Fmod"
    ),
    **dict.fromkeys(("__operators__.eq", "__operators__.ne"), row(composed.lost, "self other")),
    "math.atan2": row("Arctan2", "y:x1 x:x2"),
    "math.squared_difference": row(composed.squared_difference, "x y"),
    "math.add_n": row(composed.add_n, "inputs"),
    "nn.bias_add": row(composed.bias_add, "value bias data_format"),
    "where": row(composed.choose, "condition x y"),
    # ------------------------------------------------------------ over axes
    "math.reduce_sum": row(composed.reduced("Sum"), _AXES),
    "math.reduce_mean": row(composed.reduced("Mean"), _AXES),
    "math.reduce_max": row(composed.reduced("Max"), _AXES),
    "math.reduce_min": row(composed.reduced("Min"), _AXES),
    "math.reduce_prod": row(composed.reduced("Prod"), _AXES),
    "math.reduce_any": row(composed.reduced("Any"), _AXES),
    "math.reduce_all": row(composed.reduced("All"), _AXES),
    "math.reduce_std": row(composed.reduced("Std"), _AXES),
    "math.reduce_variance": row(composed.reduced("Var"), _AXES),
    "math.reduce_logsumexp": row(composed.reduced("Logsumexp"), _AXES),
    "math.reduce_euclidean_norm": row(composed.euclidean, _AXES),
    "norm": row(composed.norm, "tensor ord axis keepdims keep_dims:keepdims"),
    "math.l2_normalize": row(composed.l2_normalize, "x axis dim:axis epsilon"),
    "nn.l2_loss": row(composed.l2_loss, "t"),
    "nn.moments": row(composed.moments, "x axes keepdims keep_dims:keepdims shift:"),
    "math.argmax": row("Argmax", "input:x axis dimension:axis output_type:", axis=0),
    "math.argmin": row("Argmin", "input:x axis dimension:axis output_type:", axis=0),
    "argmax": row("Argmax", "input:x axis dimension:axis output_type:", axis=0),
    "argmin": row("Argmin", "input:x axis dimension:axis output_type:", axis=0),
    "math.cumsum": row(composed.running("Cumsum"), "x axis exclusive reverse"),
    "math.cumprod": row(composed.running("Cumprod"), "x axis exclusive reverse"),
    "math.top_k": row("TopK", "input:x k sorted", k=1),
    # ------------------------------------------------------------ products
    "linalg.matmul": row(
        composed.matmul, "a b transpose_a transpose_b adjoint_a adjoint_b a_is_sparse b_is_sparse output_type:"
    ),
    "linalg.matvec": row(composed.matvec, "a b transpose_a"),
    "tensordot": row("Tensordot", "a:x1 b:x2 axes"),
    "einsum": row(composed.lost, "equation"),
    # ------------------------------------------------------------ shapes
    "reshape": row("Reshape", "tensor:x shape:newshape"),
    "expand_dims": row("ExpandDims", "input:x axis dim:axis"),
    "squeeze": row(composed.squeeze, "input axis squeeze_dims:axis"),
    "transpose": row("Transpose", "a:x perm:axes conjugate:"),
    "concat": row(composed.concat, "values axis"),
    "stack": row(composed.stack, "values axis"),
    "unstack": row("Unstack", "value:x num axis"),
    "split": row(composed.split, "value num_or_size_splits axis num"),
    "tile": row("Tile", "input:x multiples:repeats"),
    "repeat": row("Repeat", "input:x repeats axis"),
    "reverse": row("Flip", "tensor:x axis"),
    "roll": row("Roll", "input:x shift axis"),
    "pad": row(composed.pad, "tensor paddings mode constant_values"),
    "broadcast_to": row("BroadcastTo", "input:x shape"),
    "shape": row(composed.shape_of, "input out_type"),
    "size": row("Size", "input:x out_type:"),
    "zeros": row(composed.filled(0.0), "shape dtype layout:"),
    "ones": row(composed.filled(1.0), "shape dtype layout:"),
    "fill": row("Full", "dims:shape value:fill_value layout:"),
    "range": row(composed.arange, "start limit delta dtype"),
    # ------------------------------------------------------------ places
    "__operators__.getitem": row(composed.get_item, "tensor slice_spec var:"),
    "slice": row(composed.part, "input_ begin size"),
    "strided_slice": row(
        composed.strided_slice,
        "input_:input begin end strides begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask var:",
    ),
    "gather": row(composed.gather, "params indices axis batch_dims validate_indices:"),
    "nn.embedding_lookup": row(
        composed.gather, "params ids:indices partition_strategy: validate_indices: max_norm:", axis=0
    ),
    "one_hot": row(composed.one_hot, "indices depth on_value off_value axis dtype"),
    "sequence_mask": row(composed.sequence_mask, "lengths maxlen dtype"),
    "boolean_mask": row(composed.data_dependent, "tensor mask axis"),
    "unique": row(composed.data_dependent, "x out_idx"),
    **dict.fromkeys(
        ("random.normal", "random.uniform", "random.truncated_normal", "random.stateless_normal"),
        row(composed.random, "shape mean stddev minval maxval dtype seed"),
    ),
}


def _silu(features: object, beta: float) -> composed.Expression:
    if beta == 1.0:
        return composed.operation("Silu", features)
    return composed.operation(
        "Multiply", features, composed.operation("Sigmoid", composed.operation("Multiply", features, beta))
    )
