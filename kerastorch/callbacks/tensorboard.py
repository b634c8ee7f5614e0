"""What a training writes for TensorBoard, by torch's own writer."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, KerasTorchError, UnsupportedError, quote
from ..paths import text_of
from .base import Callback
from .rates import rate_of


class TensorBoard(Callback):
    """Write numbers, weights and the model for TensorBoard (`keras.callbacks.TensorBoard`), under Keras's names.

    It needs the package tensorboard. Numbers of training stand in the folder "train", those of validation in
    "validation": "epoch_loss", "epoch_learning_rate", "evaluation_loss_vs_iterations", and with `update_freq`
    "batch_loss". A metric of your own comes through the logs: return it from `train_step`, or add it in a callback
    before this one.

    Args:
        log_dir: The folder.
        histogram_freq: Write histograms of the weights after every so many epochs; 0: never.
        write_graph: Write the layers of the model, for the tab "Graphs".
        write_images: With the histograms also the weights as images.
        write_steps_per_second: Write how many batches a second were done.
        update_freq: "epoch"; "batch" or a number: also after every so many batches, for which numbers are fetched from
            the device.
        profile_batch: 0, as in Keras on torch: use `torch.profiler`, whose traces TensorBoard shows.
        embeddings_freq: Write the tables of embeddings for the projector after every so many epochs; 0: never.
        embeddings_metadata: A file with a label for each row of the tables, in lines, or a dict of such by the names of
            layers.

    Raises:
        ArgumentError: An argument is of a wrong kind.
        UnsupportedError: tensorboard is not installed; when a run begins.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        if profile_batch:
            raise ArgumentError(
                f"TensorBoard: profile_batch is {quote(profile_batch)}, expected 0: use torch.profiler with "
                "tensorboard_trace_handler, whose traces TensorBoard shows."
            )
        every = 1 if update_freq == "batch" else update_freq
        for name, value, least in (
            *(("histogram_freq", histogram_freq, 0), ("embeddings_freq", embeddings_freq, 0)),
            *([] if every == "epoch" else [("update_freq", every, 1)]),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                words = '"epoch", "batch" or a positive integer' if name == "update_freq" else "an integer from 0"
                raise ArgumentError(f"TensorBoard: {name} is {quote(value)}, expected {words}.")
        self.log_dir = text_of(log_dir, "TensorBoard: log_dir")
        self.update_freq: Any = every
        self.histogram_freq, self.write_graph, self.write_images = histogram_freq, write_graph, write_images
        self.write_steps_per_second = write_steps_per_second
        self.embeddings_freq, self.embeddings_metadata = embeddings_freq, embeddings_metadata
        self.follows_batches = every != "epoch"
        self._writers: dict[str, Any] = {}
        self._training = False

    def _writer(self, kind: str) -> Any:
        """The writer of "train" or "validation"; made when there is something to write."""
        if kind not in self._writers:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise UnsupportedError(
                    "TensorBoard: torch writes its files by the package tensorboard, which is not installed: pip "
                    "install tensorboard, or use CSVLogger."
                ) from error
            self._writers[kind] = SummaryWriter(os.path.join(self.log_dir, kind))
        return self._writers[kind]

    def on_train_begin(self, logs: Any = None) -> None:
        """Write the model."""
        self._close()
        self._training, self._batches, self._tested = True, 0, 0
        self._writer("train")  # says at once what lacks
        if self.write_graph:
            self._write_graph()

    def on_train_end(self, logs: Any = None) -> None:
        """Close the files."""
        self._training = False
        self._close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to count batches."""
        self._began, self._done = time.monotonic(), self._iterations()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the numbers of an epoch."""
        found = {name: value for name, value in (logs or {}).items() if not name.startswith("val_")}
        if self.model.optimizer is not None:
            found["learning_rate"] = rate_of(self.model.optimizer)
        if self.write_steps_per_second and self._done is not None:
            found["steps_per_second"] = (self._iterations() - self._done) / (time.monotonic() - self._began)
        self._scalars("train", "epoch_{}", found, epoch)
        judged = {name[4:]: value for name, value in (logs or {}).items() if name.startswith("val_")}
        self._scalars("validation", "epoch_{}", judged, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begin to measure the batch."""
        self._batches += 1
        self._batch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write the numbers so far."""
        if self.update_freq == "epoch" or self._batches % self.update_freq:
            return
        found = dict(logs or {})
        if self.write_steps_per_second:
            found["steps_per_second"] = 1.0 / max(time.monotonic() - self._batch_began, 1e-9)
        self._scalars("train", "batch_{}", found, self._batches)

    def on_test_end(self, logs: Any = None) -> None:
        """Write the numbers of an evaluation."""
        steps = self._iterations()
        if steps is not None:
            self._scalars("validation", "evaluation_{}_vs_iterations", logs or {}, steps)
        if not self._training:
            self._close()

    # ------------------------------------------------------------------ what is written

    def _iterations(self) -> Any:
        return getattr(self.model.optimizer, "iterations", None)

    def _scalars(self, kind: str, name: str, numbers: Mapping[str, Any], step: int) -> None:
        for key, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer(kind).add_scalar(name.format(key), value, step)

    def _write_weights(self, epoch: int) -> None:
        for variable in (variable for layer in self.model.layers for variable in layer.weights):
            values, name = variable.numpy(), variable.path.replace(":", "_")
            self._writer("train").add_histogram(f"{name}/histogram", values, epoch)
            image = _as_images(values) if self.write_images else None
            if image is not None:
                self._writer("train").add_images(f"{name}/image", image, epoch, dataformats="NHWC")
        self._writer("train").flush()

    def _write_embeddings(self, epoch: int) -> None:
        given = self.embeddings_metadata
        found = [layer for layer in self.model.layers if hasattr(layer, "embeddings")]
        if isinstance(given, Mapping) and (unknown := sorted(set(given) - {layer.name for layer in found})):
            raise ArgumentError(
                f"TensorBoard: embeddings_metadata: no Embedding is called {', '.join(map(quote, unknown))}; there are "
                f"{', '.join(quote(layer.name) for layer in found) or 'none'}."
            )
        for layer in found:
            path = given.get(layer.name) if isinstance(given, Mapping) else given
            labels = None
            if path is not None:
                with open(path, encoding="utf-8") as file:
                    labels = file.read().splitlines()
            self._writer("train").add_embedding(layer.get_weights()[0], labels, None, epoch, layer.name)

    def _write_graph(self) -> None:
        """The layers as Keras's JSON, which TensorBoard draws."""
        from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2  # pyright: ignore[reportMissingImports]

        # What protobuf makes, no type checker sees.
        summaries: Any = summary_pb2
        tensors: Any = tensor_pb2
        types: Any = types_pb2
        try:
            text = self.model.to_json()
        except KerasTorchError as error:
            warnings.warn(f"TensorBoard: the model is not written: {error}", stacklevel=2)
            return
        plugin = summaries.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        value = summaries.Summary.Value(
            tag="keras",
            metadata=summaries.SummaryMetadata(plugin_data=plugin),
            tensor=tensors.TensorProto(dtype=types.DT_STRING, string_val=[text.encode()]),
        )
        self._writer("train").file_writer.add_summary(summaries.Summary(value=[value]), 0)

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _as_images(values: np.ndarray) -> np.ndarray | None:
    """A weight as grey images from 0 to 1, `(N, H, W, 1)`, each kernel of a 1D convolution as one; None for others."""
    values = np.squeeze(values)
    if values.ndim == 1:
        values = values[None, None]
    elif values.ndim == 2:
        values = (values.T if values.shape[0] > values.shape[1] else values)[None]
    elif values.ndim == 3:
        values = values.transpose(2, 0, 1)
    else:
        return None
    low, high = values.min(initial=0.0), values.max(initial=0.0)
    return ((values - low) / (high - low if high > low else 1.0))[..., None]
