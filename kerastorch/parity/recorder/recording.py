"""A Keras model through all probes."""

from __future__ import division

import platform

import numpy as np

from .capture import Graph, is_eager, layers_by_path, reset_states, run_eagerly, to_array
from .probes import LENGTHS, arrays, describe_weights, open_length, plan, random_weights
from .storing import Store
from .wiring import as_list, class_of, needs_of_model


class Refused(Exception):
    """Why nothing could be recorded."""


def dtype_name(tensor):
    """The dtype of a tensor of any backend as Keras 3 calls it: float32."""
    name = getattr(tensor.dtype, "name", tensor.dtype)
    return str(name).replace("_ref", "").split(".")[-1]


def specs_of(model):
    """What is to be known of each input: see `plan`."""
    specs = []
    for tensor, (words, pad) in zip(as_list(model.inputs), needs_of_model(model)):
        shape = getattr(tensor, "_keras_shape", None) or tensor.shape
        sizes = [getattr(size, "value", size) for size in shape]
        specs.append(
            {
                "name": str(tensor.name).split(":")[0],
                "shape": [None if size is None else int(size) for size in sizes],
                "dtype": dtype_name(tensor),
                "ids": words,
                "pad": pad,
            }
        )
    return specs


class Recorder(object):
    """Runs a Keras model on probes and keeps what it computes.

    Args:
        model: The model.
        keras: The module `keras`, of whatever version.
        seed: Of the first probe.
        limit: Bytes of arrays that are kept; layers for which there is no room are left out.
        layers: Whether the layers are recorded, or the outputs alone.
        say: Called with a text on what is being done.
    """

    def __init__(self, model, keras, seed=0, limit=256 << 20, layers=True, say=lambda text: None):
        self.model, self.keras, self.seed, self.layers, self.say = model, keras, seed, layers, say
        self.store = Store(limit)
        self.backend = keras.backend
        self.graph = None if is_eager(keras) else Graph(model, self.backend)
        self.specs = specs_of(model)
        top = [layer for layer in model.layers if class_of(layer) != "InputLayer"]
        self.weighted = [layer for layer in top if layer.weights]
        self.own = [layer.get_weights() for layer in self.weighted]
        self.weights = []
        for layer, values in zip(self.weighted, self.own):
            described = describe_weights([weight.name for weight in layer.weights], values)
            self.weights.append(dict(described, layer=layer.name))

    def _keep(self, value):
        """The name of a value in the file; None for what has no array, or no room."""
        array = None if value is None else to_array(value)
        return None if array is None else self.store.keep(array)

    def _run(self, inputs, layers):
        if self.graph is not None:
            return self.graph.run(inputs, self._keep, layers)
        return run_eagerly(self.model, inputs, self._keep, layers)

    def _tried(self, inputs, layers):
        """What the model makes of the inputs, or the reason for which Keras refuses them."""
        try:
            return self._run(inputs, layers), None
        except Exception as error:  # noqa: BLE001 - every backend has classes of its own; the report names the reason
            return ([], []), "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])

    def _length(self):
        """The first length that the model takes."""
        why = "no length was tried"
        for length in LENGTHS if open_length(self.specs) else LENGTHS[:1]:
            probe = plan(self.specs, False, length, self.seed)[0]
            _, why = self._tried(arrays(self.specs, probe), False)
            if why is None:
                return length
        raise Refused("Keras computes nothing on inputs of the shapes %s: %s" % (
            [spec["shape"] for spec in self.specs], why))  # fmt: skip

    def record(self, given=None):
        """Go through the probes.

        Args:
            given: Inputs of somebody's own, in the place of those that are made.

        Returns:
            What the file says; the arrays are in `store`.
        """
        stateful = any(getattr(layer, "stateful", False) for _, layer in layers_by_path(self.model))
        if given is None:
            probes = plan(self.specs, stateful, self._length(), self.seed)
        else:
            probes = [{"name": "given", "what": "the inputs that were given", "weights": "own", "continues": False}]
        try:
            for number in range(len(probes)):
                self._probe(number, probes, given)
            self._set({"weights": "own"})
            if not probes[0]["error"]:  # last: it would disturb the states of a probe that continues
                probes[0]["predicted"] = self._predict(arrays(self.specs, probes[0]) if given is None else given)
        finally:
            self._set({"weights": "own"})
        return {
            "probes": probes,
            "weights": self.weights,
            "model": {"name": str(self.model.name), "class": class_of(self.model), "stateful": stateful},
            "inputs": self.specs,
            "layers": [[path, class_of(layer)] for path, layer in layers_by_path(self.model)],
            "complete": not self.store.full,
            "seed": self.seed,
            "writer": self._writer(),
        }

    def _probe(self, number, probes, given):
        """Run one of the probes, and write into it what came out."""
        probe = probes[number]
        self.say("probe %d of %d: %s" % (number + 1, len(probes), probe["what"]))
        inputs = arrays(self.specs, probe) if given is None else given
        self._set(probe)
        if not probe["continues"]:
            reset_states(self.model)
        (outputs, calls), error = self._tried(inputs, self.layers)
        probe["error"] = error
        probe["inputs"] = [self.store.keep(array) for array in inputs]
        probe["outputs"] = [self.store.keep(array) for array in outputs]
        probe["calls"] = calls
        if any(name is None for name in probe["inputs"] + probe["outputs"]):
            raise Refused("the arrays of the outputs alone are too large: raise --max-mb, or give fewer inputs")

    def _set(self, probe):
        """Give the layers the weights that the probe asks for."""
        for number, (layer, own) in enumerate(zip(self.weighted, self.own)):
            values = own
            if probe["weights"] == "random":
                made = random_weights(self.weights[number], probe["seed"] + 1000 + number)
                values = [old if new is None else new for old, new in zip(own, made)]
            layer.set_weights(values)

    def _predict(self, inputs):
        """The same inputs by `predict`, which compiles the model."""
        reset_states(self.model)
        made = self.model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0)
        reset_states(self.model)
        found = made if isinstance(made, (list, tuple)) else [made[key] for key in sorted(made)] if isinstance(
            made, dict) else [made]  # fmt: skip
        return [self.store.keep(np.asarray(array)) for array in found]

    def _writer(self):
        name = self.backend.backend() if hasattr(self.backend, "backend") else ""
        return {
            "package": self.keras.__name__,
            "version": str(self.keras.__version__),
            "backend": str(name),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "eager": self.graph is None,
        }
