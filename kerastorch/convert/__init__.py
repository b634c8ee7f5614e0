"""Arrays of recurrent layers between Keras, torch, cuDNN, ONNX and older programs; numpy or torch in, the same out.

For people who want the numbers only. Every function says shapes and gate orders; a function and the one of the opposite
name are inverses, bit for bit, unless one of them had to add biases. `copy_weights` (in `transfer/`) finds the
layers of a whole torch module by itself.
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from .cudnn import gru_from_cudnn as gru_from_cudnn
from .cudnn import gru_from_cudnn_gru as gru_from_cudnn_gru
from .cudnn import gru_to_cudnn as gru_to_cudnn
from .cudnn import gru_to_cudnn_gru as gru_to_cudnn_gru
from .cudnn import lstm_from_cudnn as lstm_from_cudnn
from .cudnn import lstm_from_cudnn_lstm as lstm_from_cudnn_lstm
from .cudnn import lstm_to_cudnn as lstm_to_cudnn
from .cudnn import lstm_to_cudnn_lstm as lstm_to_cudnn_lstm
from .old import gru_from_keras1 as gru_from_keras1
from .old import gru_to_keras1 as gru_to_keras1
from .old import lstm_from_keras1 as lstm_from_keras1
from .old import lstm_to_keras1 as lstm_to_keras1
from .onnx import OnnxWeights as OnnxWeights
from .onnx import gru_from_onnx as gru_from_onnx
from .onnx import gru_to_onnx as gru_to_onnx
from .onnx import lstm_from_onnx as lstm_from_onnx
from .onnx import lstm_to_onnx as lstm_to_onnx
from .onnx import simple_rnn_from_onnx as simple_rnn_from_onnx
from .onnx import simple_rnn_to_onnx as simple_rnn_to_onnx
from .tensorflow1 import gru_from_gru_cell as gru_from_gru_cell
from .tensorflow1 import gru_to_gru_cell as gru_to_gru_cell
from .tensorflow1 import lstm_from_basic_lstm_cell as lstm_from_basic_lstm_cell
from .tensorflow1 import lstm_from_lstm_block_fused_cell as lstm_from_lstm_block_fused_cell
from .tensorflow1 import lstm_to_basic_lstm_cell as lstm_to_basic_lstm_cell
from .tensorflow1 import lstm_to_lstm_block_fused_cell as lstm_to_lstm_block_fused_cell
from .tensorflow1 import simple_rnn_from_basic_rnn_cell as simple_rnn_from_basic_rnn_cell
from .tensorflow1 import simple_rnn_to_basic_rnn_cell as simple_rnn_to_basic_rnn_cell
from .torch_state import Weights as Weights
from .torch_state import bidirectional_from_torch as bidirectional_from_torch
from .torch_state import bidirectional_to_torch as bidirectional_to_torch
from .torch_state import copy_to_torch as copy_to_torch
from .torch_state import gru_from_torch as gru_from_torch
from .torch_state import gru_to_torch as gru_to_torch
from .torch_state import lstm_from_torch as lstm_from_torch
from .torch_state import lstm_to_torch as lstm_to_torch
from .torch_state import simple_rnn_from_torch as simple_rnn_from_torch
from .torch_state import simple_rnn_to_torch as simple_rnn_to_torch

_namespace = _Namespace(__name__, globals(), absent={})


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
