"""A Keras model through all probes."""

from __future__ import division

import platform

import numpy as np

from .capture import Graph, flat, is_eager, is_recurrent, layers_by_path, reset_states, run_eagerly, to_array
from .differentiating import Differentiated, Factors, dense, run_with_gradients, trained_weights
from .memory import is_memory
from .probes import LENGTHS, arrays, describe_weights, open_length, plan, random_weights
from .storing import Store
from .training import Trainer, all_layers
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
        gradients: Whether gradients are recorded.
        steps: Of a training; 0 for none.
        optimizer: For the training, its class and arguments, in the place of what the model was compiled with.
        loss: For the training, likewise.
    """

    def __init__(self, model, keras, seed=0, limit=256 << 20, layers=True, say=lambda text: None, gradients=True,
                 steps=5, optimizer=None, loss=None):  # fmt: skip
        self.model, self.keras, self.seed, self.layers, self.say = model, keras, seed, layers, say
        self.gradients, self.steps, self.chosen = gradients, steps, {"optimizer": optimizer, "loss": loss}
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
        """The name of a value, or an array, in the file; None for what has no array, or no room."""
        array = None if value is None else to_array(value)
        return None if array is None else self.store.keep(array)

    def _run(self, inputs, layers, probe):
        """Outputs, calls, states that layers began with, and what is said of gradients."""
        seed = probe["seed"] + 2000 if probe.get("states") else None
        if not (self.gradients and probe.get("differentiated")):
            if self.graph is not None:
                return self.graph.run(inputs, self._keep, layers) + ({}, None)
            return run_eagerly(self.model, inputs, self._keep, layers, seed) + (None,)
        trained = trained_weights(self.weighted)
        variables, factors = [weight for _, _, weight in trained], Factors(probe["seed"] + 3000)
        if self.graph is not None:
            of_inputs, of_weights = self.graph.gradients(inputs, variables, factors)
            done = Differentiated(None, None, of_inputs, of_weights)
            outputs, calls, begun = self.graph.run(inputs, self._keep, layers) + ({},)
        else:
            outputs, calls, begun, done = run_with_gradients(
                self.keras, self.model, inputs, variables, factors, self._keep, layers, seed
            )
        return outputs, calls, begun, self._said_of(done, trained, factors)

    def _said_of(self, done, trained, factors):
        """What a file says of gradients."""
        return {
            "factors": [self._keep(array) for array in factors.drawn],
            "inputs": [self._keep(dense(gradient)) for gradient in done.inputs],
            "weights": [
                {"layer": layer, "place": place, "array": self._keep(dense(gradient)), "flows": gradient is not None}
                for (layer, place, _), gradient in zip(trained, done.weights)
            ],
            "calls": [[self._keep(gradient) for gradient in made] for made in done.inside],
        }

    def _tried(self, inputs, layers, probe):
        """What the model makes of the inputs, or the reason for which Keras refuses them."""
        try:
            outputs, calls, begun, gradients = self._run(inputs, layers, probe)
            return ([to_array(value) for value in flat(outputs)], calls, begun, gradients), None
        except Exception as error:  # noqa: BLE001 - every backend has classes of its own; the report names the reason
            if is_memory(error):
                raise
            why = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])
        if not (self.gradients and probe.get("differentiated")):
            return ([], [], {}, None), why
        made, error = self._tried(inputs, layers, dict(probe, differentiated=False))  # it may run none the less
        return (made[0], made[1], made[2], None if error else {"error": why}), error

    def _length(self):
        """The first length that the model takes."""
        why = "no length was tried"
        for length in LENGTHS if open_length(self.specs) else LENGTHS[:1]:
            probe = plan(self.specs, False, length, self.seed)[0]
            _, why = self._tried(arrays(self.specs, probe), False, {})
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
        length = LENGTHS[0]
        stateful = any(getattr(layer, "stateful", False) for _, layer in layers_by_path(self.model))
        if given is None:
            recurrent = any(is_recurrent(layer) for _, layer in layers_by_path(self.model))
            length = self._length()
            probes = plan(self.specs, stateful, length, self.seed, self.graph is None and recurrent)
        else:
            probes = [{"name": "given", "what": "the inputs that were given", "weights": "own", "continues": False,
                       "seed": self.seed, "differentiated": True}]  # fmt: skip
        try:
            for number in range(len(probes)):
                self._probe(number, probes, given)
            self._set({"weights": "own"})
            if not probes[0]["error"]:  # last: it would disturb the states of a probe that continues
                probes[0]["predicted"] = self._predict(arrays(self.specs, probes[0]) if given is None else given)
            training = self._train(length, given) if self.steps else None
        finally:
            self._set({"weights": "own"})
        return {
            "probes": probes,
            "training": training,
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
        (outputs, calls, begun, gradients), error = self._tried(inputs, self.layers, probe)
        probe["error"] = error
        probe["begun"] = [[path, [self._keep(state) for state in begun[path]]] for path in sorted(begun)]
        probe["gradients"] = gradients
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
            for inner in all_layers(layer):
                if hasattr(inner, "adapt_mean"):  # a Normalization goes on with what it has made of the weights before
                    inner.finalize_state()

    def _predict(self, inputs):
        """The same inputs by `predict`, which compiles the model."""
        reset_states(self.model)
        made = self.model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]), verbose=0)
        reset_states(self.model)
        found = made if isinstance(made, (list, tuple)) else [made[key] for key in sorted(made)] if isinstance(
            made, dict) else [made]  # fmt: skip
        return [self.store.keep(np.asarray(array)) for array in found]

    def _train(self, length, given):
        """Some steps of a training; the weights are set back behind it."""
        self.say("training, %d steps" % self.steps)
        reset_states(self.model)
        try:
            trainer = Trainer(self.keras, self.model, self.weighted, self._keep, **self.chosen)
        except Exception as error:  # noqa: BLE001 - every backend has classes of its own; the report names the reason
            if is_memory(error):
                raise
            why = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])
            return {"optimizer": "", "settings": {}, "loss": None, "chosen_by": "nobody", "dropout": [],
                    "kind": "keras3", "steps": [], "error": why}  # fmt: skip
        said = trainer.train(self.specs, self.steps, length, self.seed, given)
        reset_states(self.model)
        return said

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
