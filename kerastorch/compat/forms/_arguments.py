"""Arguments by their names: of which kind they are, and which say nothing while they have a certain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .form import keys
from .recurrent import SEQUENCE

# Every layer may carry these.
BASE_KEYS = keys("name trainable dtype activity_regularizer")
# Of a first layer; so are input_dim and input_length where they are no arguments.
SHAPE_KEYS = keys("batch_input_shape input_shape batch_size input_dtype")
# Arguments of today that are left out while they say nothing: some Keras writes them, few layers need them.
ELIDED: Mapping[str, tuple[Any, ...]] = {
    "activity_regularizer": (None,),
    "weights": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "renorm": (False,),
    "renorm_clipping": (None,),
    "renorm_momentum": (0.99,),
    "fused": (None, True),  # whether TensorFlow's kernel is used where it can be: then it is
    "synchronized": (False,),
    "rms_scaling": (False,),
    "seed": (None,),
    "noise_shape": (None,),
    "output_padding": (None,),
    "num_constants": (None, 0),
    "attention_axes": (None,),
    "output_shape": (None,),
    "sliding_window": (None,),
    "flash_attention": (None,),
    "use_gate": (False,),
    "softmax_robust_masking": (False,),
    "gptq_unpacked_column_size": (None,),
    "strides": (None,),
    "data_format": (None,),
}


GENERATORS = ("legacy_stateful", "stateful", "stateless")  # of TensorFlow: what numbers they draw is of training alone


@dataclass(frozen=True)
class Unless:
    """A key that is dropped while it has one of the harmless values, and refused with the reason otherwise."""

    harmless: tuple[Any, ...]
    reason: str


UNLESS: Mapping[str, Unless] = {
    "time_major": Unless((False, None), "inputs (timesteps, batch, features) are not supported; put the batch first"),
    "num_constants": Unless((None, 0), "no cell of Keras's own takes constants; run your cell in an RNN"),
    "enable_caching_device": Unless((False, True, None), ""),
    "rng_type": Unless((None, *GENERATORS), f"expected one of {', '.join(GENERATORS)}"),
    "return_runtime": Unless((False, None), "it is a switch of TensorFlow's own tests"),
    "reverse_state_order": Unless((False, None), "the states are in the order of the cells; save without it"),
    "virtual_batch_size": Unless((None,), "statistics over parts of a batch are not supported; leave it out"),
    "adjustment": Unless((None,), "it is a Python function, which no file holds; leave it out"),
    "sparse": Unless((False, None), "sparse inputs are not supported; make the input dense"),
    "input_tensor": Unless((None,), "an input bound to a TensorFlow tensor is not supported; give it a shape"),
    "type_spec": Unless((None,), "an input made from a TypeSpec is not supported; give it a shape"),
    "quantization_config": Unless((None,), "quantized layers are not supported; save the model before quantizing it"),
    "lora_rank": Unless((None,), "LoRA weights are not supported; merge them in Keras and save again"),
}

# Whole numbers of 1 and more.
SIZES = keys(
    "units n input_dim output_dim filters groups depth_multiplier nb_feature",
    "num_heads key_dim head_dim num_query_heads num_key_value_heads",
)
# 0 and 1 are taken for false and true, as in every Keras, and null for false, but for those of `UNDECIDED`.
BOOLEANS = keys(
    "use_bias unit_forget_bias reset_after unroll zero_output_for_mask mask_zero normalize center scale invert bias",
    "use_scale causal use_gate softmax_robust_masking robust_masking flash_attention fused keepdims renorm",
    "synchronized rms_scaling time_major enable_caching_device return_runtime reverse_state_order sparse ragged",
    f"optional {SEQUENCE}",
)
UNDECIDED = keys("robust_masking flash_attention fused")  # null is a third choice
# Lists of whole numbers.
TUPLES = keys(
    "target_shape dims axes noise_shape kernel_size strides dilation_rate output_padding output_size",
    "attention_axes output_shape",
    "pool_size size",
)
SIDES = keys("padding cropping")  # a word; a whole number; or lists, nested or not
