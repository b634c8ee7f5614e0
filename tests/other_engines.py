"""Trains with kerastorch's pieces in the loops of Lightning, accelerate and ignite: the weights of a plain torch loop.

By hand, in an environment of its own (they bound torch and bring much along), from the root of a checkout:

    python -m venv env && env/bin/pip install . lightning accelerate pytorch-ignite
    env/bin/python tests/other_engines.py

Each engine gets `kt.optimizers.Adam`, `kt.losses.MeanSquaredError` and `kt.metrics.MeanAbsoluteError`, a model of
kerastorch with a mask, and the same batches. What it ends with are the bits of the plain loop.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import kerastorch as kt

EPOCHS = 3
RNG = np.random.default_rng(6)
X, Y = RNG.normal(size=(21, 5, 3)).astype("float32"), RNG.normal(size=(21, 1)).astype("float32")
X[RNG.uniform(size=(21, 5)) < 0.3] = 0.0


def batches() -> Any:
    return DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), 8)


def parts() -> tuple[Any, Any, Any, Any]:
    """The model, its optimizer, the loss, a metric."""
    kt.set_seed(3)
    lay = kt.layers
    model = kt.Sequential([kt.Input((5, 3)), lay.Masking(), lay.LSTM(4, kernel_constraint="unit_norm"), lay.Dense(1)])
    optimizer = kt.optimizers.Adam(0.03125, clipnorm=0.5, params=model)
    return model.train(), optimizer, kt.losses.MeanSquaredError(), kt.metrics.MeanAbsoluteError()


def plain() -> tuple[list[np.ndarray], float]:
    """The loop that the others are measured by."""
    model, optimizer, loss_of, metric = parts()
    for _ in range(EPOCHS):
        metric.reset_state()
        for x, y in batches():
            optimizer.zero_grad()
            y_pred = model(x)
            loss_of(y, y_pred).backward()
            optimizer.step()
            metric.update_state(y, y_pred.detach())
    return model.get_weights(), float(metric.result())


def in_lightning() -> tuple[list[np.ndarray], float]:
    """A `LightningModule` around the model; its `Trainer` has the loop."""
    import lightning

    model, optimizer, loss_of, metric = parts()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def on_train_epoch_start(self) -> None:
            metric.reset_state()

        def training_step(self, batch: Any, _: int) -> Any:
            x, y = batch
            y_pred = self.model(x)
            metric.update_state(y, y_pred.detach())
            return loss_of(y, y_pred)

        def configure_optimizers(self) -> Any:
            return optimizer

    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            **{"accelerator": "cpu", "max_epochs": EPOCHS, "default_root_dir": folder, "logger": False},
            **{"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False},
        )
        trainer.fit(Module(), batches())
    return model.get_weights(), float(metric.result())


def in_accelerate() -> tuple[list[np.ndarray], float]:
    """An `Accelerator` prepares the parts; the loop is one's own."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer, loss_of, metric = parts()
    prepared, stepping, loader = accelerator.prepare(model, optimizer, batches())
    for _ in range(EPOCHS):
        metric.reset_state()
        for x, y in loader:
            stepping.zero_grad()
            y_pred = prepared(x)
            accelerator.backward(loss_of(y, y_pred))
            stepping.step()
            metric.update_state(y, y_pred.detach())
    return model.get_weights(), float(metric.result())


def in_ignite() -> tuple[list[np.ndarray], float]:
    """A supervised trainer of ignite, with a handler for the metric."""
    from ignite.engine import Events, create_supervised_trainer

    model, optimizer, loss_of, metric = parts()
    trainer = create_supervised_trainer(
        model,
        optimizer,
        lambda y_pred, y: loss_of(y, y_pred),  # ignite has what is predicted first, as torch has
        output_transform=lambda x, y, y_pred, loss: (y, y_pred.detach()),
    )
    trainer.add_event_handler(Events.EPOCH_STARTED, metric.reset_state)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: metric.update_state(*engine.state.output))
    trainer.run(batches(), max_epochs=EPOCHS)
    return model.get_weights(), float(metric.result())


ENGINES: dict[str, Callable[[], tuple[list[np.ndarray], float]]] = {
    "lightning": in_lightning,
    "accelerate": in_accelerate,
    "ignite": in_ignite,
}


def main(names: list[str]) -> int:
    expected, number = plain()
    wrong = 0
    for name in names or list(ENGINES):
        weights, measured = ENGINES[name]()
        same = all(np.array_equal(mine, other) for mine, other in zip(weights, expected, strict=True))
        print(
            f"{name}: {'the bits' if same else 'NOT the bits'} of the plain loop; metric {measured:.6f}, {number:.6f}"
        )
        wrong += not (same and measured == number)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
