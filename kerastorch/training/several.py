"""`fit` and `evaluate` in several processes: each computes a part of every batch.

All processes run the same script. A batch of `batch_size` rows is divided; gradients are joined by torch's
`DistributedDataParallel`, losses and metrics by their sums (`joined.py`). Callbacks run in the first process alone, and
what they change (the weights, the optimizer, whether to stop) is told to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from .. import optimizers
from ..callbacks import CallbackList, History
from ..callbacks.backup import put_state, state_of
from ..distributed import Processes, alone, part, processes
from ..errors import UnsupportedError, counted, quote
from ..metrics import Metric
from ..models import Model
from ..structure import leaves
from ..torch_private import version_of
from .compiled import Compiled
from .joined import check_joinable, joined, uncounted

_STEERED = ("stop_training", "stop_evaluating", "_initial_epoch")  # what callbacks set in a model


class Several:
    """The part of one process in a training or an evaluation.

    Args:
        group: The processes.
        model: The model.
        compiled: What it was compiled with.

    Raises:
        UnsupportedError: The model keeps states between batches, whose rows cannot be divided.
    """

    def __init__(self, group: Processes, model: Any, compiled: Compiled) -> None:
        self.group, self.model, self.compiled = group, model, compiled
        self._joins = self._agreed = False
        for layer in model.modules():
            if getattr(layer, "stateful", False) and not hasattr(
                layer, "train_step"
            ):  # a model says what its layers say
                raise UnsupportedError(
                    f"{model.name!r}: {quote(getattr(layer, 'name', 'a layer'))} keeps states of the rows of whole "
                    f"batches, so {counted(group.count, 'process', 'processes')} cannot divide them: train it in one "
                    "process."
                )

    # ------------------------------------------------------------------ rows

    def rows_of(self, which: Any, rows: int) -> Any:
        """The rows of this process among those of a batch, and a note of how many they are.

        Args:
            which: A slice, or the numbers of rows.
            rows: How many rows the arrays have.
        """
        if not isinstance(which, slice):
            start, mine = self.group.part_of(len(which))
            part.begin(part.Part(mine, len(which), self._joins))
            return which[start : start + mine] if mine else which[:1]
        first, last = which.start or 0, min(rows if which.stop is None else which.stop, rows)
        start, mine = self.group.part_of(last - first)
        part.begin(part.Part(mine, last - first, self._joins))
        return slice(first + start, first + start + mine) if mine else slice(first, first + 1)

    @property
    def is_first(self) -> bool:
        """Whether this process draws batches, prints and calls callbacks."""
        return self.group.is_first

    def batch_of_first(self, batch: Any) -> Any:
        """A batch that the first process has drawn, in all of them."""
        return self.group.said_by_first(batch)

    def took(self, rows: int) -> int:
        """Note a batch of which every process has brought its own rows; returns how many they are together."""
        of = int(self.group.sum(torch.tensor(rows)))
        if of:
            part.begin(part.Part(rows, of, self._joins))
        return of

    def same(self, order: Tensor) -> Tensor:
        """An order of rows that all have."""
        return self.group.of_first(order)

    # ------------------------------------------------------------------ steps

    @contextmanager
    def training(self, alone: bool = False) -> Iterator[None]:
        """While weights are trained: `DistributedDataParallel` is around the model. Where a step is the model's own, or
        stands alone, the optimizer joins the gradients.
        """
        self._agreed = False
        self._agree()
        self._joins = alone or type(self.model).train_step is not Model.train_step
        optimizer, hook = self.model.optimizer, None
        if self._joins and optimizer is not None and not isinstance(optimizer, optimizers.Optimizer):
            hook = optimizer.register_step_pre_hook(part.joining_hook())
        try:
            yield
        finally:
            self.compiled.parallel, self._joins = None, False
            if hook is not None:
                hook.remove()

    def step(self, step: Callable[[Any], Any], data: Any) -> Any:
        """One step by the rows of this process."""
        compiled, trains = self.compiled, step == self.model.train_step
        if trains and not self._agreed:
            self.model.eval()
            with torch.no_grad():
                self.model(data[0] if isinstance(data, tuple) else data)  # which builds what is not built
            self.model.train()
            self._agree()
        if trains and compiled.parallel is None and not self._joins:
            parallel = any(item.requires_grad for item in self.model.parameters())
            compiled.parallel = DistributedDataParallel(compiled.forward, static_graph=True) if parallel else None
        own = part.current()
        with uncounted(self._metrics()) if own is not None and own.rows == 0 else nullcontext():
            return step(data)

    def _metrics(self) -> list[Metric]:
        given = self.model.metrics
        others = [metric for metric in given if isinstance(metric, Metric)] if isinstance(given, list) else []
        return list({id(metric): metric for metric in (*self.compiled.metrics, *others)}.values())

    def numbers(self, of_step: Any, read: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The numbers so far over the rows of all.

        Args:
            of_step: What a step of one's own has returned; nothing where it was Keras's.
            read: Makes numbers of it, or of the metrics.
        """
        metrics = self._metrics()
        check_joinable(metrics)
        own = part.current()
        with joined(metrics, self.group):
            if not of_step:
                return read(None)
            known = {metric.name: metric for metric in metrics}
            found = {name: known[name].result() if name in known else value for name, value in of_step.items()}
            found = read(found)
        for name in [name for name, value in found.items() if name not in known and isinstance(value, (int, float))]:
            share = torch.tensor(found[name] * (1.0 if own is None else own.share), dtype=torch.float64)
            found[name] = float(self.group.sum(share))
        return found

    def share_buffers(self) -> None:
        """Moving averages and the like, which each process has of its own rows: those of the first one are kept."""
        for item in self.model.buffers():
            item.data.copy_(self.group.of_first(item))

    # ------------------------------------------------------------------ what the first process says

    def _agree(self) -> None:
        """All begin with what the first process has; see `share_chance` for what is random.

        A model that the first batch builds waits for that.
        """
        if any(name.rpartition(".")[2] == "unbuilt" for name, _ in self.model.named_parameters()):
            return
        self._agreed = True
        self.share_state()
        self.share_chance()

    def share_chance(self) -> None:
        """What is random goes on in the first process, and follows from it in the others, which draw other numbers.

        An epoch begins with it, so that a training which goes on from the random numbers of the first process alone
        draws what it would have drawn.
        """
        before = torch.get_rng_state()
        seed = int(self.group.of_first(torch.randint(2**62, ())))
        if self.is_first:
            torch.set_rng_state(before)
        else:
            torch.manual_seed((seed + self.group.rank) % 2**63)

    def share_state(self) -> None:
        """Put the weights and the optimizer of the first process into the others."""
        state = self.group.said_by_first(state_of(self.model) if self.is_first else None)
        if not self.is_first:
            put_state(self.model, state)

    def fingerprint(self) -> Any:
        """What changes with the weights and the state of the optimizer."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        optimizer = self.model.optimizer
        groups, states = ([], {}) if optimizer is None else (optimizer.param_groups, optimizer.state)
        plain = [value for group in groups for key, value in group.items() if key != "params"]
        for value in leaves([list(state.values()) for state in states.values()]):
            (tensors if isinstance(value, Tensor) else plain).append(value)
        return [(id(item), version_of(item)) for item in tensors], [str(value) for value in plain]


class SharedCallbacks(CallbackList):
    """Calls the hooks in the first process, and tells the others what they have changed.

    Args:
        callbacks, model, params: See `CallbackList`.
        several: The processes.
    """

    def __init__(self, callbacks: Any, model: Any, params: dict[str, Any], several: Several) -> None:
        super().__init__(callbacks, model=model, **params)
        self.several = several

    def call(self, hook: str, *place: int, logs: Any = None) -> None:
        """See `CallbackList.call`."""
        logs = {} if logs is None else logs
        news: Any = None
        if self.several.is_first:
            before = self.several.fingerprint()
            with alone():
                super().call(hook, *place, logs=logs)
            steered = {name: self.several.model.__dict__.get(name) for name in _STEERED}
            shown = {name: value for name, value in logs.items() if isinstance(value, (int, float, list))}
            news = {"changed": self.several.fingerprint() != before, "steered": steered, "logs": shown}
        news = self.several.group.said_by_first(news)
        self.several.model.__dict__.update(
            {name: value for name, value in news["steered"].items() if value is not None}
        )
        if news["changed"]:
            self.several.share_state()
        if not self.several.is_first:
            logs |= news["logs"]
            for callback in self.callbacks:
                if isinstance(callback, History):
                    getattr(callback, hook)(*place, logs)


def several_of(model: Any, compiled: Compiled) -> Several | None:
    """The processes that share the work; None if this one does it alone."""
    group = processes()
    return None if group is None else Several(group, model, compiled)
