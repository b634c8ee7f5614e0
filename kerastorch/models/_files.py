"""A model's methods about files; `outside.py` says where their work is done."""

from __future__ import annotations

import inspect
from typing import Any

from ..errors import ArgumentError, UnsupportedError, did_you_mean, quote
from ..outside import outside

_BOUNDS = ("limits", "expected_sha256", "isolate")


class OnDisk:
    """The part of `Model` that reads and writes files; abstract."""

    def load_weights(
        self,
        filepath: Any,
        skip_mismatch: bool = False,
        by_name: bool = False,
        options: None = None,
        *,
        strict: bool = True,
        sum_biases: bool = False,
        **bounds: Any,
    ) -> Any:
        """Read the weights of a Keras file into this model: `kerastorch.load_weights(model, filepath, ...)`.

        `bounds` are `limits`, `expected_sha256` and `isolate`.

        `options` is TensorFlow's for its own format, None here.

        Returns:
            A `LoadReport`: what was loaded, and what was not.
        """
        _refuse_options("load_weights", options)
        for name in bounds.keys() - {*_BOUNDS}:
            raise ArgumentError(f"load_weights has no argument {name!r}.{did_you_mean(name, _BOUNDS)}")
        given = {"by_name": by_name, "strict": strict, "skip_mismatch": skip_mismatch, "sum_biases": sum_biases}
        return outside("load_weights")(self, filepath, **given, **bounds)

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        include_optimizer: bool = True,
        save_format: str | None = None,
        save_traces: bool = True,
        signatures: None = None,
        options: None = None,
        dialect: Any = "keras3",
        **unknown: Any,
    ) -> Any:
        """Write the model into a file that Keras opens: `kerastorch.save_model(model, filepath, ...)`.

        `save_traces`, `signatures` and `options` are TensorFlow's for a SavedModel and say nothing about these files.

        Returns:
            A `SaveReport`: what was written, and what was changed for that Keras.
        """
        if unknown:
            known = [name for name in inspect.signature(OnDisk.save).parameters if name not in ("self", "unknown")]
            raise ArgumentError(
                f"save has no argument {', '.join(map(repr, sorted(unknown)))}; it takes {', '.join(known)}."
                f"{did_you_mean(min(unknown), known)}"
            )
        _refuse_options("save", signatures)
        _refuse_options("save", options)
        return outside("save_model")(
            self,
            filepath,
            overwrite,
            zipped,
            include_optimizer=include_optimizer,
            save_format=save_format,
            dialect=dialect,
        )

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        max_shard_size: float | None = None,
        *,
        save_format: str | None = None,
        options: None = None,
        dialect: Any = "keras3",
    ) -> Any:
        """Write the weights into a file that Keras reads: `kerastorch.save_weights(model, filepath, ...)`.

        `options` is TensorFlow's for its own format, None here.

        Returns:
            A `SaveReport`: what was written, and what was changed for that Keras.
        """
        _refuse_options("save_weights", options)
        return outside("save_weights")(
            self, filepath, overwrite, max_shard_size, save_format=save_format, dialect=dialect
        )

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **options: Any,
    ) -> None:
        """Write the model for inference outside of Keras and kerastorch, as `keras.Model.export`.

        Args:
            filepath: Where to.
            format: "onnx", which onnxruntime and others run, or "torch", a `.pt2` program of `torch.export` that needs
                neither Keras nor kerastorch to load. Keras's others are refused, its default among them.
            verbose: Whether to say more; False: nothing at all.
            input_signature: Shapes and dtypes of the inputs, nested as they are: `InputSpec`s, tensors, or shapes, in
                which None is any size. None: as the model was made or first called, its batch of any size.
            **options: "onnx": `opset_version`. "torch": `standalone=False` keeps the operators of kerastorch, which
                must then be imported to load the program, and with which it can be traced again; and those of
                `torch.export.export` (`strict`, `dynamic_shapes`, ...).

        The states of stateful layers become inputs and outputs of an ONNX model, `NAME_state_0` and
        `NAME_state_0_out`; a program of torch keeps them itself, and begins with zeros.

        Raises:
            UnsupportedError: The format, or a layer of this model in it, is not supported.
        """
        outside("export")(self, filepath, format, verbose, input_signature, **options)

    def to_json(self, *, dialect: Any = "keras3") -> str:
        """The architecture as text, as Keras's `to_json`: `model_from_json` of Keras and of kerastorch read it."""
        return outside("to_json")(self, dialect=dialect)


def _refuse_options(method: str, value: Any) -> None:
    if value is not None:
        raise UnsupportedError(
            f"{method}: got {quote(type(value).__name__)}, which is TensorFlow's own for a SavedModel or a checkpoint; "
            "files here are .keras and .h5: leave it out."
        )
