"""A model's methods that run it on arrays, and the one that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..outside import outside
from ._predict import predict, predict_on_batch
from .table_text import terminal_width


class Runs:
    """The part of `Model` that runs it on numpy arrays and prints its layers; abstract."""

    _build_shape: Any

    @property
    def _usual_rows(self) -> int:
        """Rows of a batch where nobody says how many: the batch size that the model is fixed to, else Keras's 32."""
        shape = self._build_shape
        while isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], (list, tuple)):
            shape = shape[0]
        fixed = shape[0] if isinstance(shape, (list, tuple)) and shape else None
        return fixed if isinstance(fixed, int) else 32

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        *,
        mask: Any = None,
    ) -> np.ndarray:  # of several outputs a list or a dict of them, which is unpacked and indexed alike
        """Run the model on numpy arrays, in batches, in inference mode.

        Slices of arrays are not copied, and the outputs are written into one array. On CUDA a batch is copied to the
        device while the one before it is computed.

        Args:
            x: An array `(N, ...)`, a memory map or an HDF5 data set, a table of numbers (a pandas DataFrame), or a list
                or dict of them, one for each input; or a generator, a `DataLoader` or another iterable of batches `x`,
                `(x,)`, `(x, y)` or `(x, y, weight)`, of which one or two are in memory at a time, or a torch `Dataset`
                of such samples.
            batch_size: Rows for each run; the model's fixed batch size, else 32, if None.
            verbose: 0 nothing, 1 a bar on standard error, 2 a line at the end; "auto": a bar on a terminal, if long.
            steps: Runs at most; until the data ends if None.
            callbacks: Objects of `kt.callbacks`, whose hooks `on_predict_...` are called.
            max_queue_size: With `workers` and `use_multiprocessing`, how Keras 2 draws batches. They change no number
                and are accepted; a torch `DataLoader` loads in several processes.
            workers: See `max_queue_size`.
            use_multiprocessing: See `max_queue_size`.
            mask: Which steps to use: a bool array `(N, T)`, or for several inputs a list or dict of them, None for an
                input without one. Keras's `predict` has no such argument; ragged inputs of tf.keras need it here.

        Returns:
            Numpy arrays, nested as the model's outputs.

        Raises:
            ShapeError: The arrays do not fit the inputs or each other.
        """
        return predict(self, x, mask, batch_size, verbose, steps, callbacks)  # type: ignore[arg-type]

    def predict_on_batch(self, x: Any, *, mask: Any = None) -> np.ndarray:
        """Run the model on one batch of numpy arrays, whatever its size, in inference mode.

        Args:
            x: An array `(N, ...)` or a table of numbers, or a list or dict of them, one for each input.
            mask: As for `predict`.

        Returns:
            Numpy arrays, nested as the model's outputs.

        Raises:
            ShapeError: The arrays do not fit the inputs or each other.
        """
        return predict_on_batch(self, x, mask)  # type: ignore[arg-type]

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """`predict` of batches that a generator makes, under the name of Keras 2; see there."""
        return self.predict(
            generator,
            None,
            verbose,
            steps,
            callbacks,
            max_queue_size=max_queue_size,
            workers=workers,
            use_multiprocessing=use_multiprocessing,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the layers in a table, and a picture."""
        return outside("html")(self)

    def _repr_svg_(self) -> str | None:
        """The picture alone; None of a model that has no shapes yet."""
        return outside("svg")(self)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
        *,
        columns: Sequence[str] = (),
        width: int | None = None,
        style: str = "keras",
        **options: Any,
    ) -> None:
        """Print the layers with output shapes and parameter counts.

        A layer that is not built yet has the output shape "?" and no parameters.

        Args:
            line_length: Characters in a line; as wide as the texts if it and `positions` are None.
            positions: Where each column ends, as parts of the line, the last one 1.0, or in characters. Three numbers
                leave out the column of connections.
            print_fn: Called once with the text; `print` if None.
            expand_nested: Whether the layers of nested models are listed too.
            show_trainable: Whether a last column says if a layer is trained: Y, N, or - where it has no weights.
            layer_range: Two names, or patterns of `re`: the first layer whose name starts like the first, to the last
                one whose name starts like the second.
            columns: Further columns: "dtype", "trainable", "kernel" (which one a layer over time runs on, and why),
                "memory" (of its weights), "mult_adds" (multiply-adds on one row; unknown sizes count as 1), "torch"
                (how many parameters torch's own module has, with a line that says why they are more).
            width: Characters that a line may have: what does not fit is folded, and where that could not be read each
                layer is a block of lines. That of the terminal if None and printed to one; else nothing is folded.
            style: "keras" for Keras's columns; "torch" for torchinfo's table of the same model, with `options` for it.

        Raises:
            ArgumentError: The columns are too narrow, or no layer has a name of `layer_range`.
        """
        if width is None and print_fn is None:
            width = terminal_width()
        table = (line_length, positions, expand_nested, show_trainable, layer_range, columns, width)
        outside("summary")(self, print_fn or print, table, style, options)
