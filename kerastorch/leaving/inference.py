"""What acts while training only, taken out of a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from . import helpers
from .builder import NOISE

_PLAIN: dict[type, Any] = {
    helpers.DropoutLSTM: nn.LSTM,
    helpers.DropoutGRU: nn.GRU,
    helpers.DropoutRNN: nn.RNN,
}

# Loops over steps with dropout -> without.
STEPS: dict[type, Any] = {
    helpers.DropoutStepRNN: helpers.StepRNN,
    helpers.DropoutStepLSTM: helpers.StepLSTM,
    helpers.DropoutStepGRU: helpers.StepGRU,
    helpers.DropoutResetBeforeGRU: helpers.ResetBeforeGRU,
}


def leave_out_training(root: nn.Module, graph: fx.Graph) -> None:
    """Take out dropout and noise; what is left computes the same in evaluation."""
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(getattr(root, str(node.target)), NOISE):
            value: Any = node.args[0]
            for key in ("shape", "layer", "label"):
                if key in node.meta and value.op != "placeholder":
                    value.meta.setdefault(key, node.meta[key])
            node.replace_all_uses_with(value)
            graph.erase_node(node)
    called = {str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")}
    for name, module in list(root.named_children()):
        if name not in called:
            delattr(root, name)
        elif type(module) in _PLAIN:
            setattr(root, name, _plain(module))
        elif isinstance(module, helpers.DroppedSteps):
            setattr(root, name, _without_dropout(module))
        elif isinstance(module, helpers.DropoutConvLSTM):
            setattr(root, name, _images_without_dropout(module))
        elif isinstance(module, helpers.MultiHeadAttention):
            module.dropout = module.drop.p = 0.0


def _plain(module: Any) -> nn.RNNBase:
    """torch's own module with the weights of one that drops."""
    options = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
    with torch.device("meta"):
        made: Any = _PLAIN[type(module)](
            module.input_size, module.hidden_size, bias=module.bias, batch_first=True, **options
        )
    return _with_weights(made, module)


def _without_dropout(module: helpers.DroppedSteps) -> nn.Module:
    kind: Any = STEPS[type(module)]
    functions = module.activation, module.recurrent_activation
    with torch.device("meta"):
        made = kind(module.input_size, module.hidden_size, *functions, bias=module.bias_ih_l0 is not None)
    return _with_weights(made, module)


def _images_without_dropout(module: helpers.DropoutConvLSTM) -> nn.Module:
    sizes = module.in_channels, module.filters
    window = module.kernel_size, module.stride, module.dilation, module.same
    with torch.device("meta"):
        made = helpers.ConvLSTM(*sizes, *window, module.activation, module.recurrent_activation, module.bias)
    return _with_weights(made, module)


@torch.no_grad()
def _with_weights(made: Any, module: nn.Module) -> Any:
    some = next(module.parameters())
    made = made.to(some.dtype).to_empty(device=some.device).train(module.training)
    made.load_state_dict(module.state_dict())
    for target, source in zip(made.parameters(), module.parameters(), strict=True):
        target.requires_grad_(source.requires_grad)
    return made
