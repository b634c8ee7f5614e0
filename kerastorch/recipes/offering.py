"""Which of the layers here may be the one that a file names: by its arguments, and by the shapes of its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shapes = Sequence[tuple[int, ...]]

# What every layer of Keras states of itself.
_COMMON = frozenset({"name", "trainable", "dtype", "batch_input_shape", "input_shape", "input_dtype", "build_config"})
_PARTS = ("regularizer", "constraint")
_W_B = {f"{part}_{rule}" for part in "Wb" for rule in _PARTS}


def _over_time(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return [len(shape) for shape in arrays] in ([1, 1], [1]) and arrays[0] != (1,)


def _with_context(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    square = bool(arrays) and len(arrays[0]) == 2 and arrays[0][0] == arrays[0][1]
    return square and len(arrays) in (2, 3) and all(shape == arrays[0][:1] for shape in arrays[1:])


def _with_softmax(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return len(arrays) == 2 and all(len(shape) == 2 and shape[1] == 1 for shape in arrays)


def _self_attention(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return "attention_width" in config


def _seq_weighted(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return len(arrays) in (1, 2) and len(arrays[0]) == 2 and arrays[0][1] == 1 and list(arrays[1:]) in ([], [(1,)])


def _decoder(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    if [len(shape) for shape in arrays] != [2, 2, 2]:
        return False
    (rows, columns), second, third = arrays
    return rows == columns == second[1] and third == (rows, 1)


def _contrib(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return "learn_mode" in config


def _addons(arrays: Shapes, config: Mapping[str, Any]) -> bool:
    return "chain_initializer" in config and "learn_mode" not in config


_CHAIN = {f"{part}_{rule}" for part in ("kernel", "chain", "boundary", "bias") for rule in ("initializer", *_PARTS)}
_CHAIN |= {"units", "use_boundary", "use_bias", "activation"}
_SEQ = {f"{part}_{rule}" for part in ("kernel", "bias") for rule in ("initializer", *_PARTS)}
_SEQ |= {"units", "attention_width", "attention_type", "return_attention", "history_only", "attention_activation"}
_SEQ |= {"use_additive_bias", "use_attention_bias", "attention_regularizer_weight"}
# The name here, the arguments that it knows, what tells it, and whether arrays must be known for that.
_LAYERS: tuple[tuple[str, frozenset[str], Callable[[Shapes, Mapping[str, Any]], bool], bool], ...] = (
    ("CRF", frozenset(_CHAIN | {"learn_mode", "test_mode", "sparse_target", "input_dim", "unroll"}), _contrib, False),
    ("AddonsCRF", frozenset(_CHAIN | {"use_kernel"}), _addons, False),
    ("SeqSelfAttention", frozenset(_SEQ), _self_attention, False),
    ("SeqWeightedAttention", frozenset({"use_bias", "return_attention"}), _seq_weighted, True),
    ("Attention", frozenset(_W_B | {"step_dim", "bias", "return_attention"}), _over_time, True),
    (
        "AttentionWithContext",
        frozenset(_W_B | {"u_regularizer", "u_constraint", "bias", "return_attention"}),
        _with_context,
        True,
    ),
    ("SoftmaxAttention", frozenset({"return_sequences"}), _with_softmax, True),
    ("AttentionLayer", frozenset(), _decoder, True),
)


def offered(config: Any, arrays: Shapes | None) -> list[str]:
    """The names of the layers here that take these arguments and have such arrays.

    Args:
        config: The arguments in the file.
        arrays: The shapes of the arrays that the file has for the layer, in order; None where they are not known.

    Returns:
        Names in `kt.recipes`; none of them is known to be what was meant.
    """
    if not isinstance(config, Mapping):
        return []
    stated = {key for key in config if isinstance(key, str)} - _COMMON
    found = []
    for name, known, tells, needs_arrays in _LAYERS:
        if stated <= known and (arrays is not None or not needs_arrays) and tells(arrays or (), config):
            found.append(name)
    return found
