"""Mutants that are another text and the same program, each with the reason; the key is `Mutant.key`."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "kerastorch/kernels/export_scan.py | scan_steps.step | use[0] | (use[-1])": "the list has one element: the mask",
    "kerastorch/convert/cudnn.py | lstm_to_cudnn | arrays['bias'].chunk(2) | (arrays['bias'].chunk(1))": (
        "the parts are joined again at once"
    ),
    "kerastorch/matching/convert.py | _kernels_of_keras1 | array[:, 0] | (array[:, -1])": (
        "the axis has one place: the line before asks for it"
    ),
    "kerastorch/matching/convert.py | converted | group[0] | (group[1]) | 2": (
        "both are variables of one layer, of which its class is asked"
    ),
    "kerastorch/matching/assign.py | <module> | 4 | 5": "how many threads read changes no value",
    "kerastorch/convert/torch_state.py | gru_from_torch | False | True | 2": (
        "whether two biases may be summed is not asked for a GRU, which keeps both"
    ),
    "kerastorch/kernels/attention.py | penalty | 1000000000.0 | 1250000000.0": (
        "both make a weight of exactly 0; in a row in which all are lowered, float32 rounds every score below 32 away"
    ),
    "kerastorch/models/_order.py | in_order | (call.args, call.kwargs) | ((call.kwargs, call.args))": (
        "the references become a set"
    ),
    "kerastorch/compat/_constants.py | _state | inner[0] | (inner[-1])": (
        "of a list of states the first and the last are both nested more deeply than one state is"
    ),
    "kerastorch/models/summary_table.py | _keras_summary | 10000 | 9999": "a width that no table reaches",
    "kerastorch/layers/rnn/gru.py | GRU._steps | self.use_bias and self.reset_after | (self.use_bias)": (
        "the steps of a GRU that resets before read no second bias"
    ),
    "kerastorch/saving/_keras3.py | dtypes_of_keras2 | isinstance(layer, Bidirectional) and own | own": (
        "no other layer states keras2_dtypes"
    ),
    "kerastorch/kernels/compiled.py | CompiledSimpleRNN.backward | hs[0] | (hs[1])": (
        "the shape of one state is asked for, and there is at least one step"
    ),
    "kerastorch/kernels/compiled.py | CompiledGRU.forward | hs[1:] | (hs[0:])": (
        "a buffer gets one step more, which nobody reads"
    ),
    "kerastorch/saving/_absent.py | _finished | model.to(layer._on_device) | pass": (
        "the values that are written are the same on any device"
    ),
    "kerastorch/kernels/attention.py | window_mask | rows.unsqueeze(1) - columns | (columns - rows.unsqueeze(1))": (
        "how far away counts, without its sign"
    ),
    "kerastorch/layers/attention/attention.py | <module> | 7 | 6": "the shape of an example, which tests alone read",
    "kerastorch/saving/_absent.py | _causal_separable | layer.kernel_size[0] | (layer.kernel_size[-1])": (
        "a kernel of one axis has one size"
    ),
    "kerastorch/matching/assign.py | _pieces | 1 | 2 | 2": "how many rows are read at once changes no value",
    "kerastorch/saving/_absent.py | _causal_separable | layer.dilation_rate[0] | (layer.dilation_rate[-1])": (
        "a kernel of one axis has one dilation"
    ),
}
