"""`keras.backend`: settings, and Keras 2's `K`, so that layers of old projects need other import lines only.

`from kerastorch import backend as K`. Begin with `settings.py` (floatx, epsilon, data formats), then `tensors.py`
(shapes, parts, reductions, products), `phases.py` (training or not, choices), `loops.py` (`rnn`, `foldl`, CTC),
`variables.py` (values, updates, `function`), `masks.py` (masks that hang on tensors), `free_variables.py` (`Variable`).
What has the name and the meaning of a function of `kerastorch.ops` is that function.
"""

from typing import Any as _Any

from .. import ops as _ops
from ..namespaces import Namespace as _Namespace
from .free_variables import *  # noqa: F403
from .loops import *  # noqa: F403
from .masks import *  # noqa: F403
from .phases import *  # noqa: F403
from .settings import *  # noqa: F403
from .tensors import *  # noqa: F403
from .variables import *  # noqa: F403

# Of kerastorch.ops, under Keras 2's names.
_OPS = (
    "abs binary_crossentropy cast convert_to_numpy convert_to_tensor cos equal exp eye floor greater greater_equal "
    "is_tensor less less_equal log logsumexp maximum minimum not_equal ones ones_like reshape round sigmoid sign "
    "sin softplus softsign sqrt square stop_gradient tanh tile zeros zeros_like"
)
_SAME = {**{name: name for name in _OPS.split()}, "pow": "power"}
_OF_LAYERS = (
    "conv1d conv2d conv2d_transpose conv3d depthwise_conv2d local_conv1d local_conv2d pool2d pool3d separable_conv2d "
    "resize_images resize_volumes normalize_batch_in_training"
)
_LAYERS = "use the layers, or torch.nn.functional."
_GRAPHS = "torch has no graphs of this kind; leave the call out."
_namespace = _Namespace(
    __name__,
    globals(),
    own=_SAME,
    make=lambda name: getattr(_ops, _SAME[name]),
    hidden=("free_variables", "loops", "masks", "phases", "settings", "tensors", "variables"),
    absent={
        **dict.fromkeys(
            [
                "conv1d",
                "conv2d",
                "conv2d_transpose",
                "conv3d",
                "depthwise_conv2d",
                "local_conv1d",
                "local_conv2d",
                "pool2d",
                "pool3d",
                "separable_conv2d",
                "resize_images",
                "resize_volumes",
                "normalize_batch_in_training",
            ],
            _LAYERS,
        ),
        **dict.fromkeys(("manual_variable_initialization", "reset_uids", "get_session", "set_session"), _GRAPHS),
        "ctc_label_dense_to_sparse": "labels stay dense: ctc_batch_cost takes them with their lengths.",
        **dict.fromkeys(
            ("binary_focal_crossentropy", "categorical_focal_crossentropy"), "use the losses of kerastorch.losses."
        ),
        "experimental": "use kerastorch.random.SeedGenerator.",
    },
)


def __getattr__(name: str) -> _Any:
    return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
