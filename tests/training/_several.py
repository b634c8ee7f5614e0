"""Trainings that are run by one process, and by several that `torchrun` starts: what each ends with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import kerastorch as kt
from kerastorch import Input, Model, Sequential, callbacks, layers

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(21, 6, 3)).astype("float32"), RNG.integers(0, 2, size=(21, 1)).astype("float32")
WORDS = RNG.integers(1, 9, size=(21, 7)) * (np.arange(7) < RNG.integers(1, 8, size=(21, 1)))
TAGS, STEP_WEIGHTS = RNG.integers(0, 3, size=(21, 7)), RNG.uniform(0, 2, size=(21, 7)).astype("float32")
SIZES, KINDS = RNG.normal(size=(21, 1)).astype("float32"), np.eye(4, dtype="float32")[RNG.integers(0, 4, size=21)]


class Sums(kt.metrics.Metric):
    """A metric of one's own, in variables."""

    def __init__(self, name: str = "sums") -> None:
        super().__init__(name=name)
        self.total, self.seen = self.add_weight(name="total"), self.add_variable((2,))
        self.inner = kt.metrics.Mean()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.total.assign_add(y_pred.sum())
        self.seen.assign_add(len(y_pred) * torch.tensor([1.0, 2.0]))
        self.inner.update_state(y_pred[:, 0])

    def result(self) -> Tensor:
        return self.total / self.seen[1] + self.inner.result() + self.seen[0]


class Own(Model):
    """A step of one's own, with a tracker of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = layers.GRU(3), layers.Dense(1)
        self.tracker = kt.metrics.Mean(name="tracked")

    def call(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x))

    def train_step(self, data: Any) -> Any:
        x, y = data
        loss = (self(x) - y).square().mean()
        self.zero_grad()
        loss.backward()
        weights = self.trainable_weights
        self.optimizer.apply([weight.value.grad for weight in weights], weights)
        self.tracker.update_state((self(x) - y).square()[:, 0])
        return {"tracked": self.tracker.result(), "mine": loss.detach()}


def _sequence(*head: Any) -> Any:
    return Sequential([Input((6, 3)), layers.LSTM(4), *(head or [layers.Dense(1, activation="sigmoid")])])


def _tagger(loss: Any, **compiled: Any) -> Any:
    x = Input((7,), dtype="int32")
    y = layers.GRU(5, return_sequences=True)(layers.Embedding(9, 4, mask_zero=True)(x))
    model = Model(x, layers.Dense(3, activation="softmax")(y))
    model.compile(kt.optimizers.SGD(0.5, momentum=0.5), loss, **compiled)
    return model


def _compiled(model: Any, *args: Any, **options: Any) -> Any:
    model.compile(*args, **options)
    return model


def masked() -> Any:
    model = _tagger("sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    held = (WORDS[:6], TAGS[:6], STEP_WEIGHTS[:6])
    return model, model.fit(WORDS, TAGS, 8, 3, 0, sample_weight=STEP_WEIGHTS, validation_data=held)


def by_weights() -> Any:
    model = _tagger(kt.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"))
    return model, model.fit(WORDS, TAGS, 8, 2, 0, sample_weight=STEP_WEIGHTS)


def of_old() -> Any:
    model = _tagger(kt.losses.SparseCategoricalCrossentropy(masking="weights"))
    return model, model.fit(WORDS, TAGS, 8, 2, 0, sample_weight=STEP_WEIGHTS[:, 0].round())


def summed() -> Any:
    model = _compiled(_sequence(), kt.optimizers.SGD(0.03125), kt.losses.BinaryCrossentropy(reduction="sum"))
    return model, model.fit(X, Y, 8, 2, 0)


def two_outputs() -> Any:
    x = Input((6, 3))
    y = layers.Bidirectional(layers.GRU(3, kernel_regularizer="l2", activity_regularizer="l1"))(x)
    model = Model(x, [layers.Dense(1, name="size")(y), layers.Dense(4, activation="softmax", name="kind")(y)])
    model.compile(
        kt.optimizers.Nadam(0.015625, clipnorm=0.25),
        {"size": "mse", "kind": "categorical_crossentropy"},
        loss_weights={"size": 0.25, "kind": 2.0},
        metrics={"size": ["mae"], "kind": ["accuracy"]},
    )
    return model, model.fit(X, [SIZES, KINDS], 16, 3, 0, shuffle="batch", validation_split=0.25)


def one_row() -> Any:
    """The last batch has a row for the first process alone, and so has the validation."""
    model = _compiled(_sequence(), kt.optimizers.Adam(0.03125), "binary_crossentropy", metrics=["auc", Sums()])
    return model, model.fit(X[:17], Y[:17], 8, 2, 0, validation_data=(X[:1], Y[:1]))


def torchs_own() -> Any:
    model = _sequence(layers.Dense(2))
    model.compile(torch.optim.Adam(model.parameters(), 0.03125), torch.nn.CrossEntropyLoss(), metrics=["accuracy"])
    return model, model.fit(X, Y[:, 0].astype("int64"), 8, 2, 0)


def generated() -> Any:
    """Batches that each process would draw otherwise: those of the first count."""
    first = int(torch.distributed.is_initialized() and torch.distributed.get_rank() > 0)

    def batches() -> Iterator[Any]:
        order = np.random.default_rng(first)
        while True:
            which = order.integers(0, 21, size=7)
            yield X[which], Y[which]

    model = _compiled(_sequence(), kt.optimizers.SGD(0.5), "mse")
    return model, model.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0)


def loaded() -> Any:
    """A loader that gives each process rows of its own."""
    data = TensorDataset(torch.from_numpy(X[:20]), torch.from_numpy(Y[:20]))
    divided = torch.distributed.is_initialized()
    sampler: Any = DistributedSampler(data, shuffle=False) if divided else None
    model = _compiled(_sequence(), kt.optimizers.SGD(0.5), "mse", metrics=["mae"])
    return model, model.fit(DataLoader(data, 20 // (1 + divided), sampler=sampler), epochs=3, verbose=0)


def own_step() -> Any:
    model = Own()
    model.compile(kt.optimizers.SGD(0.25))
    return model, model.fit(X, SIZES, 8, 2, 0)


def on_batches() -> Any:
    model = _compiled(_sequence(), kt.optimizers.Adam(0.03125), "mse", metrics=["mae"])
    found = [model.train_on_batch(X[:9], Y[:9], return_dict=True), model.test_on_batch(X, Y, return_dict=True)]
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    model.compile(optimizer, "mse", metrics=["mae"])
    found.append(model.train_on_batch(X[:9], Y[:9], return_dict=True))
    found.append(model.evaluate(X, Y, 8, 0, return_dict=True))
    return model, {name: [part[name] for part in found] for name in found[0]}


def steered() -> Any:
    """Callbacks of the first process change the rate, the weights and the end of all."""
    calls: list[int] = []

    class Counting(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            calls.append(epoch)
            logs["counted"] = float(len(calls))
            logs["seen"] = self.model.evaluate(X, Y, verbose=0)
            if epoch == 1:
                self.model.set_weights([weight + 0.25 for weight in self.model.get_weights()])

    model = _compiled(_sequence(), kt.optimizers.SGD(2.0, use_ema=True, ema_momentum=0.5), "mse")
    judges = [
        callbacks.SwapEMAWeights(),
        callbacks.ReduceLROnPlateau("loss", 0.5, 1),
        Counting(),
        callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True),
    ]
    return model, model.fit(X, Y, 8, 12, 0, validation_data=(X[:5], Y[:5]), callbacks=judges)


def refusals() -> dict[str, str]:
    """What is said where processes cannot share the work."""

    class Counting(kt.metrics.Metric):
        count = 0

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.count += len(y_pred)

        def result(self) -> Tensor:
            return torch.tensor(float(self.count))

    keeping = Sequential([Input(batch_shape=(4, 6, 3)), layers.LSTM(2, stateful=True, name="keeps"), layers.Dense(1)])
    found = {}
    for name, model in (("states", keeping), ("counts", _sequence())):
        try:
            _compiled(model, "sgd", "mse", metrics=[Counting()]).fit(X[:4], Y[:4], verbose=0)
        except kt.errors.UnsupportedError as error:
            found[name] = str(error)
    return found


def printing() -> None:
    """One process prints."""
    _compiled(_sequence(), "sgd", "mse").fit(X, Y, epochs=2, verbose=2)


CASES: dict[str, Callable[[], Any]] = {
    case.__name__: case
    for case in (
        *(masked, by_weights, of_old, summed, two_outputs, one_row),
        *(torchs_own, generated, loaded, own_step, on_batches, steered),
    )
}
FOUND = ("weights", "gradients", "first")


def run(case: str) -> dict[str, Any]:
    """The numbers of a training, and the gradients of its first and its last step."""
    kt.set_seed(3)
    first: list[np.ndarray] = []

    def note(optimizer: Any, *_: Any) -> None:
        if not first:
            first.extend(part.grad.numpy().copy() for group in optimizer.param_groups for part in group["params"])

    hook = register_optimizer_step_post_hook(note)
    model, history = CASES[case]()
    hook.remove()
    found = history if isinstance(history, dict) else history.history
    grads = [part.grad for part in model.parameters() if part.grad is not None]
    return {
        "history": {name: [float(value) for value in values] for name, values in found.items()},
        "weights": model.get_weights(),
        "gradients": [grad.numpy().copy() for grad in grads],
        "first": first,
    }


def main(folder: Path, cases: Sequence[str]) -> None:
    """Run all cases as one of several processes, and write what came out."""
    from kerastorch.distributed import processes

    group = processes()
    assert group is not None
    for case in cases:
        found = run(case)
        arrays = {f"{kind}_{at}": array for kind in FOUND for at, array in enumerate(found[kind])}
        np.savez(folder / f"{case}_{group.rank}.npz", history=json.dumps(found["history"]), **arrays)
    printing()
    (folder / f"refused_{group.rank}.json").write_text(json.dumps(refusals()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(CASES))
