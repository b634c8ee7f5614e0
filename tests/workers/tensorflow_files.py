"""What TensorFlow itself reads from its files, and files of its own forms."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from make_goldens import CASES, SEED, randomise


def arrays(k: ModuleType, prefixes: list[str]) -> list[dict[str, np.ndarray]]:
    """Every array of numbers in each checkpoint, by name."""
    found = []
    for prefix in prefixes:
        reader = tf.train.load_checkpoint(prefix)
        dtypes = reader.get_variable_to_dtype_map()
        found.append({name: reader.get_tensor(name) for name, dtype in dtypes.items() if dtype != tf.string})
    return found


def with_functions(k: ModuleType, name: str, folder: str) -> list[np.ndarray]:
    """A model of make_goldens.py as a SavedModel with its functions, and its weights; the layer `dense` is frozen."""
    k.backend.clear_session()
    model: Any = CASES[name].build(k)
    randomise(model, np.random.default_rng(SEED))
    for layer in model._flatten_layers():
        if layer.name.startswith("inner"):
            layer.trainable = False
    model.save(folder, save_format="tf")
    return model.get_weights()


def written_by_names(k: ModuleType, prefixes: dict[str, dict[str, np.ndarray]]) -> None:
    """Checkpoints as TensorFlow 1 wrote them, each of these arrays."""
    for prefix, values in prefixes.items():
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = [tf.compat.v1.Variable(value, name=name, dtype=value.dtype) for name, value in values.items()]
            session.run([variable.initializer for variable in variables])
            tf.compat.v1.train.Saver(variables).save(session, prefix, write_meta_graph=False)


def by_names(k: ModuleType, prefix: str, shards: int) -> dict[str, np.ndarray]:
    """A checkpoint as TensorFlow 1 wrote it, in which names alone say what an array is; in several files."""
    rng = np.random.default_rng(7)
    values = {
        "rnn/basic_lstm_cell/kernel": rng.normal(size=(5, 8)).astype("f4"),
        "rnn/basic_lstm_cell/bias": rng.normal(size=8).astype("f8"),
        "global_step": np.array(3, np.int64),
        "half": rng.normal(size=(2, 3)).astype("f2"),
        "flags": rng.integers(0, 2, (4,)).astype(bool),
    }
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.Variable(value, name=name, dtype=value.dtype) for name, value in values.items()]
        session.run([variable.initializer for variable in variables])
        tf.compat.v1.train.Saver(variables, sharded=shards > 1).save(session, prefix, write_meta_graph=False)
    return values


def checkpoints_of(k: ModuleType, files: list[str]) -> None:
    """The weights of each file as a checkpoint beside it."""
    for file in files:
        k.models.load_model(file, compile=False).save_weights(f"{file}.ckpt", save_format="tf")


def restored(k: ModuleType, files: list[str]) -> list[tuple[list[np.ndarray], int, list[np.ndarray]]]:
    """The weights that each model takes from the checkpoint beside its file, and what its optimizer has then.

    Every object that tf-keras has must have found its own.
    """
    found = []
    for file in files:
        k.backend.clear_session()
        model = k.models.load_model(file)
        for variable in model.variables:
            variable.assign(tf.zeros_like(variable) if variable.dtype != tf.bool else variable)
        compiled = model.optimizer is not None
        if compiled and hasattr(model.optimizer, "build"):
            model.optimizer.build(model.trainable_variables)
            for variable in model.optimizer.variables:
                variable.assign(tf.zeros_like(variable))
        elif compiled:
            model.optimizer._create_all_weights(model.trainable_variables)
        model.load_weights(f"{file}.written").assert_existing_objects_matched()
        state = model.optimizer.variables if compiled else []
        state = [variable.numpy() for variable in (state() if callable(state) else state)]
        found.append((model.get_weights(), int(model.optimizer.iterations) if compiled else 0, state))
    return found


def as_text(k: ModuleType, names: list[str]) -> dict[str, tuple[str, str, str]]:
    """Models of make_goldens.py as `to_json` writes them, and as `to_yaml` did, from the same config.

    Of YAML with its two layouts: PyYAML 5.1 and later, and before.
    """
    import yaml

    found = {}
    for name in names:
        k.backend.clear_session()
        model: Any = CASES[name].build(k)
        config = model._updated_config()
        found[name] = model.to_json(), yaml.dump(config), yaml.dump(config, default_flow_style=None)
    return found
