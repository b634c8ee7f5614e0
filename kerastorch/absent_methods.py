"""Methods of Keras's objects that are not here, and what to use: what an `AttributeError` says of them."""

from __future__ import annotations

_OTHER_VALUES = "torch.func.functional_call(layer, values, inputs) computes with other values than its own"
_QUANTIZED = "torch.ao.quantization quantizes a model"
_INSTEAD = {
    "enable_lora": "peft adds such matrices to modules of torch; model.to_torch() makes these",
    "quantize": _QUANTIZED,
    "quantized_build": _QUANTIZED,
    "quantized_call": _QUANTIZED,
    "rematerialized_call": "torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False) computes it twice",
    "stateless_call": _OTHER_VALUES,
    "stateless_compute_loss": f"{_OTHER_VALUES}, and model.compute_loss the loss of what comes out",
    "stateless_reset_state": "reset_state() begins anew; copy.deepcopy(metric) keeps what was gathered",
    "stateless_result": "result() computes from what the metric has gathered",
    "stateless_update_state": "update_state() gathers in the metric; copy.deepcopy(metric) keeps what was gathered",
}


def no_attribute(owner: object, name: str) -> AttributeError:
    """The error that an object has no such attribute; of a method of Keras it says what to use.

    Args:
        owner: The object.
        name: What was asked for.
    """
    text = f"{type(owner).__name__!r} object has no attribute {name!r}"
    instead = _INSTEAD.get(name)
    return AttributeError(text if instead is None else f"{text}, which Keras has: {instead}.")
