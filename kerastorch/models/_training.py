"""Keras's methods that train and judge a model: each says how that is done in torch."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import nn

from ..base.weighted import repr_of
from ..errors import UnsupportedError

_STEP = """
        loss = loss_function(model(x), y) + model.regularization_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()"""

_TRAINS = (
    """
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for x, y in batches:  # a torch DataLoader, for each epoch"""
    + _STEP
)

_TRAINS_ON_BATCH = """
    optimizer = torch.optim.Adam(model.parameters())  # once
    model.train()""" + _STEP.replace("\n        ", "\n    ")

_JUDGES = """
    model.eval()
    with torch.inference_mode():
        losses = [loss_function(model(x), y) for x, y in batches]"""

_JUDGES_ON_BATCH = """
    model.eval()
    with torch.inference_mode():
        loss = loss_function(model(x), y)"""

_TORCHS_OWN = "torch's own compilation is torch.compile(model), or in its place model.compile_forward(...)."


class TrainedByTorch:
    """The part of `Model` that stands where Keras trains; abstract."""

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse Keras's `compile`, with the loop in torch that does its work; torch's own is `compile_forward`.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("compile", _TRAINS, _TORCHS_OWN)

    def compile_forward(self, *args: Any, **kwargs: Any) -> None:
        """Compile the model in its place: torch's `nn.Module.compile`, whose name Keras gives another meaning.

        Args:
            *args: As `torch.compile` takes them.
            **kwargs: As `torch.compile` takes them: `fullgraph`, `dynamic`, `backend`, `mode`, ...
        """
        nn.Module.compile(self, *args, **kwargs)  # type: ignore[arg-type]

    def fit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse Keras's `fit`, with the loop in torch that does its work.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("fit", _TRAINS)

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse Keras's `evaluate`, with the loop in torch that does its work.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("evaluate", _JUDGES, "model.predict(x) gives the outputs as arrays.")

    def train_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse Keras's `train_on_batch`, with the lines in torch that do its work.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("train_on_batch", _TRAINS_ON_BATCH)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse Keras's `test_on_batch`, with the lines in torch that do its work.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("test_on_batch", _JUDGES_ON_BATCH)

    def fit_generator(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse the `fit_generator` of Keras 2; see `fit`.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("fit_generator", _TRAINS)

    def evaluate_generator(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse the `evaluate_generator` of Keras 2; see `evaluate`.

        Raises:
            UnsupportedError: Always.
        """
        self._refuse("evaluate_generator", _JUDGES)

    def _refuse(self, method: str, loop: str, more: str = "") -> NoReturn:
        name = repr_of(self)  # type: ignore[arg-type]
        raise UnsupportedError(
            f"{name}: {method} belongs to Keras's training, which is not here. In torch, with a loss function of "
            f"torch.nn.functional:\n{loop}\n{more}".rstrip()
        )
