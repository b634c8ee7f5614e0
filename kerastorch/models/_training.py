"""A model's methods that train and judge it; `outside.py` says where their work is done."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..base.free_names import yielding
from ..outside import outside
from ..spec import TrainingConfig


class Trains:
    """The part of `Model` that trains; abstract.

    Attributes:
        optimizer: What `compile` was given, made into an optimizer.
        loss: What `compile` was given.
        history: The `History` of the latest `fit`.
        stop_training: A callback sets it to True to end a training after the batch.
        stop_evaluating: A callback sets it to True to end an evaluation after the batch.
    """

    @property
    def _compiled_as(self) -> TrainingConfig | None:
        """`training_config`, where no subclass has put something else there."""
        kept = self.__dict__.get("training_config")
        return kept if isinstance(kept, TrainingConfig) else None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how the model is trained, as `keras.Model.compile`. torch's own compilation is `compile_forward`.

        Args:
            optimizer: A name ("adam"), one of `kt.optimizers` or of `torch.optim`; None for `evaluate` alone.
            loss: A name ("mse"), one of `kt.losses`, a function of `(y_true, y_pred)`, or a loss module of `torch.nn`,
                which is called with `(y_pred, y_true)`. For several outputs one for all, or a list or dict by output.
            loss_weights: What the loss of each output counts: a list or dict by output.
            metrics: A list of names ("accuracy"), of `kt.metrics` or of functions; for several outputs a list or dict
                with such a list for each. "accuracy" and "crossentropy" are chosen by the shapes.
            weighted_metrics: Metrics that weigh samples by `sample_weight` or `class_weight`.
            run_eagerly: Keras's; nothing is compiled unless `jit_compile` is True.
            steps_per_execution: Batches between two calls of the hooks of batches. Epochs end where they end.
            jit_compile: True: the forward pass is compiled by `torch.compile`.
            auto_scale_loss: Put the optimizer into a `LossScaleOptimizer` if a layer is in `mixed_float16`.

        Raises:
            UnsupportedError: A layer is in `mixed_float16`, the optimizer is torch's own, and `auto_scale_loss` is not
                False.
        """
        outside("compile")(
            self,
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            run_eagerly,
            steps_per_execution,
            jit_compile,
            auto_scale_loss,
        )

    def compile_forward(self, *args: Any, **kwargs: Any) -> None:
        """Compile the model in its place: torch's `nn.Module.compile`, whose name Keras gives another meaning.

        Args:
            *args: As `torch.compile` takes them.
            **kwargs: As `torch.compile` takes them: `fullgraph`, `dynamic`, `backend`, `mode`, ...
        """
        nn.Module.compile(self, *args, **kwargs)  # type: ignore[arg-type]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Train the model, as `keras.Model.fit`. Afterwards it is in inference mode, as in Keras.

        Args:
            x: Arrays, tensors, tables or lists or dicts of them, `(N, ...)`; or an iterable of batches `(x, y)` or
                `(x, y, sample_weight)`: a torch `DataLoader`, a `PyDataset`, a generator (with `steps_per_epoch`); or a
                torch `Dataset` of samples `(x, y)`, which a `DataLoader` puts into batches of `batch_size`.
            y: What is true, of as many rows.
            batch_size: Rows of a batch; the model's fixed batch size, else 32, if None. The last batch may be smaller.
            epochs: The number of the last epoch.
            verbose: 0 nothing, 1 or "auto" a bar on a terminal, 2 a line for each epoch.
            callbacks: Objects of `kt.callbacks`.
            validation_split: This share of the rows, the last ones, is held back for validation, before any shuffle.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or an iterable of batches.
            shuffle: True: rows in a new order for each epoch (`kt.set_seed`); "batch": batches; False: as they come.
            class_weight: Class -> what its samples count in the loss.
            sample_weight: What each sample counts in the loss: `(N,)`, or `(N, T)` for each step.
            initial_epoch: The number of epochs done before.
            steps_per_epoch: Batches of an epoch; a pass over the data if None.
            validation_steps: Batches of a validation.
            validation_batch_size: Rows of a batch of validation.
            validation_freq: Validate after every so many epochs, or after those in a list (counted from 1).
            max_queue_size: With `workers` and `use_multiprocessing`, how Keras draws batches; they change no number.
            workers: See `max_queue_size`.
            use_multiprocessing: See `max_queue_size`.

        Returns:
            A `History`: `history.history` has the numbers of each epoch by name.

        Raises:
            ArgumentError: The model is not compiled, or arguments contradict each other.
            ShapeError: The arrays have different numbers of rows.
        """
        return outside("fit")(
            self,
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            shuffle,
            class_weight,
            sample_weight,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The loss and the metrics over data, in inference mode.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: As for `fit`.
            verbose: As for `fit`.
            sample_weight: As for `fit`.
            steps: Batches at most.
            callbacks: As for `fit`.
            return_dict: Return the numbers by name.
            max_queue_size: As for `fit`.
            workers: As for `fit`.
            use_multiprocessing: As for `fit`.

        Returns:
            The loss; with metrics or several outputs a list: losses first, then metrics by name.
        """
        return outside("evaluate")(self, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
        *,
        reset_metrics: bool = True,
    ) -> Any:
        """One update by one batch.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            sample_weight: As for `fit`.
            class_weight: As for `fit`.
            return_dict: See `evaluate`.
            reset_metrics: Forget the batches before, as in Keras 3; if False, the numbers are means over all.

        Returns:
            As `evaluate`.
        """
        return outside("train_on_batch")(self, x, y, sample_weight, class_weight, reset_metrics, return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
        *,
        reset_metrics: bool = True,
    ) -> Any:
        """The loss and the metrics of one batch; see `train_on_batch`."""
        return outside("test_on_batch")(self, x, y, sample_weight, reset_metrics, return_dict)

    def train_step(self, data: Any) -> Any:
        """One update, which `fit` calls with each batch. A subclass may define its own.

        Args:
            data: `(x, y, sample_weight)`, `(x, y)` where there are no weights, or `x`: tensors on the model's device.

        Returns:
            Numbers by name for the logs; nothing stands for the loss and the metrics.
        """
        return outside("train_step")(self, data)

    def test_step(self, data: Any) -> Any:
        """What `evaluate` does with each batch; see `train_step`."""
        return outside("test_step")(self, data)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """What a step minimises: the compiled loss, and the penalties of the layers. A subclass may define its own."""
        return outside("compute_loss")(self, y, y_pred, sample_weight)

    def get_compile_config(self) -> dict[str, Any]:
        """How the model is compiled, in the words of Keras 3, as `keras.Model.get_compile_config`; {} if it is not.

        A subclass with a `compile` of its own may define its own: files hold what it returns, which must be JSON.

        Raises:
            UnsupportedError: The optimizer is none of Keras's.
        """
        return outside("get_compile_config")(self)

    def compile_from_config(self, config: Any) -> None:
        """Compile the model as `get_compile_config` says it, with a new optimizer: `keras.Model.compile_from_config`.

        A subclass may define its own: `load_model` calls it with what its file holds.

        Args:
            config: What `get_compile_config` of Keras 3, or of kerastorch, returns.

        Raises:
            ArgumentError: It holds something that is not here.
        """
        outside("compile_from_config")(self, config)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """All values of the model, as `keras.Model.get_state_tree`: dicts in dicts by the parts of their paths.

        Args:
            value_format: "backend_tensor": tensors; "numpy_array": arrays. Weights are in Keras's layout.

        Returns:
            Copies under "trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables".
            Seeds, which Keras has there, are torch's here: `torch.get_rng_state()`.

        Raises:
            ArgumentError: Two variables have one path.
            UnsupportedError: The optimizer is torch's own.
        """
        return outside("get_state_tree")(self, value_format)

    def set_state_tree(self, state_tree: Any) -> None:
        """Set values of the model, as `keras.Model.set_state_tree`.

        Args:
            state_tree: What `get_state_tree` returns, or a part of it; also that of Keras, whose seeds are passed over.

        Raises:
            ArgumentError: A path is not there; nothing is set then.
            ShapeError: A value has another shape.
        """
        outside("set_state_tree")(self, state_tree)

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return "_compiled" in self.__dict__

    @yielding
    def metrics(self) -> list[Any]:
        """What `fit` sets back before each epoch, as `keras.Model.metrics`. A subclass may define its own.

        They are the loss, the metrics of `compile` as one metric "compile_metrics" (whose `metrics` they are), the
        losses of several outputs, and the metrics that are attributes of the model and its layers.
        """
        return outside("metrics")(self)

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, as in tf.keras. Those of metrics are known after the first batch."""
        return outside("metrics_names")(self)

    def reset_metrics(self) -> None:
        """Forget all batches."""
        outside("reset_metrics")(self)

    def get_metrics_result(self) -> dict[str, Any]:
        """The numbers so far by name, for a `train_step` of one's own."""
        return outside("get_metrics_result")(self)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Take a batch into the metrics of `compile`, and return all numbers so far by name."""
        return outside("compute_metrics")(self, y, y_pred, sample_weight)

    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1, **options: Any) -> Any:
        """`fit` of batches that a generator makes, under the name of Keras 2."""
        return self.fit(generator, None, None, epochs, steps_per_epoch=steps_per_epoch, **options)

    def evaluate_generator(self, generator: Any, steps: int | None = None, **options: Any) -> Any:
        """`evaluate` of batches that a generator makes, under the name of Keras 2."""
        return self.evaluate(generator, steps=steps, **options)
