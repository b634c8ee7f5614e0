"""The private names of torch that kerastorch uses, and what happens where a torch does not have one.

torch may drop or move what it does not document. So these names stand here and nowhere else, each is looked up without
an error, and each has an answer for a torch that lacks it: another way to the same, or the answer that keeps results
right and costs only time. `missing()` lists what the installed torch lacks.

Not here: what a subclass of `nn.Module` is written with, in every torch there was (its tables `_parameters`, `_buffers`
and `_modules`, its methods `_apply`, `_load_from_state_dict` and `_save_to_state_dict`), and `torch.ops.aten`, whose
operators torch keeps compatible. `tests/test_torch_private.py` finds every other one outside this module.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as _module
from torch.utils import _python_dispatch

from .errors import UnsupportedError

States = tuple[Tensor, ...]
DispatchMode: Any = _python_dispatch.TorchDispatchMode  # sees every operation; torch documents it under this home alone
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_missing: list[str] = []


def _find(home: Any, name: str) -> Any:
    """What a module or library of torch has under a name; None if it has nothing."""
    found = getattr(home, name, None)
    if found is None:
        _missing.append(name)
    return found


_transforms_active: Callable[[], bool] | None = _find(torch._C, "_are_functorch_transforms_active")
_count_modes: Callable[[], int] | None = _find(torch._C, "_len_torch_dispatch_stack")
_has_global_hook: Callable[[], Any] | None = _find(_module, "_has_any_global_hook")
_without_modes: Callable[[], Any] | None = _find(_python_dispatch, "_disable_current_modes")
_onednn = getattr(torch.ops, "mkldnn", None) if torch.backends.mkldnn.is_available() else None
# oneDNN's product of a matrix with weights, and what packs the weights for it; None: torch.mm computes it, more slowly.
onednn_linear: Callable[..., Tensor] | None = None if _onednn is None else _find(_onednn, "_linear_pointwise")
onednn_pack: Callable[..., Tensor] | None = None if _onednn is None else _find(_onednn, "_reorder_linear_weight")
# The pointwise work of one step of torch's own LSTM and GRU on CUDA; None: several operations compute it.
lstm_step: Callable[..., Any] | None = _find(torch.ops.aten, "_thnn_fused_lstm_cell")
gru_step: Callable[..., Any] | None = _find(torch.ops.aten, "_thnn_fused_gru_cell")
_profiled: Callable[[], bool] | None = _find(torch.autograd, "_profiler_enabled")
_optimizer = sys.modules[torch.optim.Optimizer.__module__]
_hooks_of_steps = [_find(_optimizer, f"_global_optimizer_{when}_hooks") for when in ("pre", "post")]
_adam: Callable[..., Any] | None = _find(torch, "_fused_adam_")
_sgd: Callable[..., Any] | None = _find(torch, "_fused_sgd_")
_LAST_STEP = torch.tensor(float("inf"))  # at which torch's Adam corrects no bias any more


def missing() -> list[str]:
    """The names that the installed torch lacks, as far as they were looked for."""
    absent = [] if hasattr(forward_ad, "_current_level") else ["_current_level"]
    absent += [] if hasattr(torch.compiler, "_is_exporting_flag") else ["_is_exporting_flag"]
    absent += [] if hasattr(Tensor, "_version") else ["_version"]
    absent += [name for name in (*_HOOKS, "_non_persistent_buffers_set") if not hasattr(nn.Module(), name)]
    return [*_missing, *absent]


def transforms_active() -> bool:
    """Whether a transform of `torch.func` is at work. A torch that does not say: yes, so nothing is hidden from one."""
    return True if _transforms_active is None else _transforms_active()


def is_tracing() -> bool:
    """Whether `torch.jit.trace` takes a graph."""
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def is_exporting() -> bool:
    """Whether `torch.export` takes the graph.

    torch's public function says so too, but it says yes inside every compiled function of torch 2.11. A torch without
    the flag behind it: what that function says.
    """
    flag: bool | None = getattr(torch.compiler, "_is_exporting_flag", None)
    return torch.compiler.is_exporting() if flag is None else flag


def is_exporting_to_onnx() -> bool:
    """Whether `torch.onnx.export` takes the graph, by way of `torch.export`.

    Dynamo takes torch's public function for one that says no. It must see the flag: where the way that runs the model
    itself has ended in an error of ours, torch tries again with Dynamo, and an export there would not be ONNX's.
    """
    if not is_exporting():
        return False
    if torch.compiler.is_dynamo_compiling():
        return bool(getattr(_onnx_flags(), "_is_onnx_exporting", False))
    return torch.onnx.is_in_onnx_export()


def _onnx_flags() -> Any:
    return sys.modules.get("torch.onnx._internal.exporter._flags")


def is_traced_to_onnx() -> bool:
    """Whether `torch.onnx.export(..., dynamo=False)` takes the graph, by way of `torch.jit.trace`."""
    return is_tracing() and torch.onnx.is_in_onnx_export()


def forward_mode_active() -> bool:
    """Whether forward-mode derivatives are computed. A torch that does not say: yes, likewise."""
    level: int | None = getattr(forward_ad, "_current_level", None)
    return level is None or level >= 0


def is_watched() -> bool:
    """Whether a `TorchDispatchMode` sees every operation. A torch that does not say: yes, likewise.

    `torch.compile` does not know the function behind this: ask it last.
    """
    return True if _count_modes is None else _count_modes() != 0


def outside_modes() -> AbstractContextManager[Any]:
    """Make real tensors although a `FakeTensorMode` or the like is on; a torch without a way to that makes none."""
    return nullcontext() if _without_modes is None or not is_watched() else _without_modes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory; torch has a class for a device's alone, and words for the CPU."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def version_of(tensor: Tensor) -> Any:
    """What changes whenever a tensor is written to. A torch that does not count: something new each time."""
    return getattr(tensor, "_version", None) or (0 if hasattr(Tensor, "_version") else object())


def has_global_hooks() -> bool:
    """Whether a hook is registered for all modules. A torch that has neither a function nor its tables for it: yes."""
    if _has_global_hook is not None:
        return bool(_has_global_hook())
    tables = [table for name, table in vars(_module).items() if name.startswith("_global_") and "_hooks" in name]
    return not tables or any(tables)


def steps_are_watched(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a profiler runs, or hooks are registered for the steps of an optimizer. A torch that hides it: yes."""
    if _profiled is None or _profiled():
        return True
    return any(hooks is None or len(hooks) for hooks in _hooks_of_steps) or bool(
        getattr(optimizer, "_optimizer_step_pre_hooks", True) or getattr(optimizer, "_optimizer_step_post_hooks", True)
    )


def has_hooks(module: nn.Module) -> bool:
    """Whether something runs before or behind a module, forwards or backwards. A torch without these tables: yes."""
    return any(getattr(module, name, True) for name in _HOOKS)


def tensor_hooks(tensor: Tensor) -> list[Callable[[Tensor], Any]]:
    """What changes a tensor's gradient on its way (`tensor.register_hook`). A torch without this table: nothing."""
    return list((getattr(tensor, "_backward_hooks", None) or {}).values())


def is_persistent(module: nn.Module, name: str) -> bool:
    """Whether a parameter or buffer of a module itself is a part of its state dict."""
    names = getattr(module, "_non_persistent_buffers_set", None)
    return name in module.state_dict() if names is None else name not in names


def scan(
    step: Callable[[States, States], tuple[States, Tensor]], carry: States, steps: States
) -> tuple[States, Tensor]:
    """Run `step` over the first axis of `steps`, as one node of a graph: the last carry, and what each step gave.

    Raises:
        UnsupportedError: torch has no such function.
    """
    try:
        from torch._higher_order_ops.scan import scan as torch_scan  # only here: it brings torch's compiler in
    except ImportError as error:
        raise UnsupportedError(
            f"a step loop cannot be exported with torch {torch.__version__}, which has no scan: export with a newer "
            "torch, or use a configuration that runs on a fused kernel (kernel_choice tells)."
        ) from error
    return torch_scan(step, carry, steps, dim=0)


class _Foreach:
    """torch's operations on lists of tensors (its documentation lists them as `torch._foreach_add` and so on).

    `foreach.add(tensors, 1.0)` is `[tensor + 1.0 for tensor in tensors]` in few kernels; `foreach.add_` works in place.
    """

    def __getattr__(self, name: str) -> Callable[..., list[Tensor]]:
        found: Callable[..., Any] = getattr(torch, f"_foreach_{name}")

        def call(*args: Any, **options: Any) -> list[Tensor]:
            return list(found(*args, **options) or ())

        setattr(self, name, call)
        return call


foreach = _Foreach()


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor has its values in its memory: it is no tensor of another class, unless a parameter of one."""
    return type(tensor) is Tensor or issubclass(type(tensor), nn.Parameter)


def _can_be_at_once(*lists: list[Tensor]) -> bool:
    """Whether all lie on the CPU, in one dtype and without gaps, and are not of another class: memory is written to."""
    dtype = lists[0][0].dtype
    if dtype not in (torch.float32, torch.float64) or torch.compiler.is_compiling():
        return False
    for tensor in itertools.chain(*lists):
        if not (tensor.is_cpu and tensor.dtype == dtype and tensor.is_contiguous() and is_plain(tensor)):
            return False
    return True


def sgd_at_once(params: list[Tensor], grads: list[Tensor], moments: list[Tensor], rate: float, momentum: float) -> bool:
    """Update tensors by Keras's rule of momentum in one call: `moment = momentum * moment - rate * grad` is added.

    Args:
        params: Changed, as are `moments`.
        grads: Their gradients.
        moments: What was added in the last step.
        rate: What torch's operation multiplies a gradient with is 1 minus a number, here `1 + rate`.
        momentum: How much of `moments` is kept.

    Returns:
        Whether it was done; see `adam_at_once`. Nor is it where `1 + rate` has not all the digits of `rate`.
    """
    if _sgd is None or 1 - (1 + rate) != -rate or not _can_be_at_once(params, grads, moments):
        return False
    options = {"weight_decay": 0.0, "nesterov": False, "maximize": False, "is_first_step": False}
    _sgd(params, grads, moments, momentum=momentum, lr=-1.0, dampening=1 + rate, **options)
    return True


def adam_at_once(
    params: list[Tensor],
    grads: list[Tensor],
    moments: list[Tensor],
    squares: list[Tensor],
    largest: list[Tensor],
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
) -> bool:
    """Update tensors by Adam's rule in one call: `param -= rate * moment / (sqrt(square) + epsilon)`.

    Args:
        params: Changed, as are `moments`, `squares` and `largest`.
        grads: Their gradients.
        moments: Their mean gradients.
        squares: Their mean squares.
        largest: The largest of the squares so far, which then stand in their place; empty: not asked for.
        rate: With the correction of the bias, of which torch's operation makes none here.
        betas: How much of `moments` and `squares` is kept.
        epsilon: Is added to the root.

    Returns:
        Whether it was done. Not by a torch without the operation, nor for tensors that do not all lie on the CPU, in
        one dtype and without gaps, or are tensors of another class: it takes their memory as it is.
    """
    if _adam is None or not 0 <= min(betas) <= max(betas) < 1:
        return False
    if not _can_be_at_once(params, grads, moments, squares, largest):
        return False
    options = {"lr": rate, "beta1": betas[0], "beta2": betas[1], "eps": epsilon, "weight_decay": 0.0}
    steps = [_LAST_STEP] * len(params)
    _adam(params, grads, moments, squares, largest, steps, amsgrad=bool(largest), maximize=False, **options)
    return True
