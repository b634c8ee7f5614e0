"""A training of a Keras model: the loss, gradients, weights and the state of the optimizer, step by step."""

from __future__ import division

import sys

import numpy as np

from .capture import flat, is_eager, is_of_rows, layers_by_path, reset_states, run_eagerly, to_array, version_of
from .differentiating import differentiate, framework_of
from .memory import is_memory
from .probes import arrays
from .wiring import as_list, sublayers

NOISE = ("rate", "dropout", "recurrent_dropout", "stddev")
USUAL_OPTIMIZER, USUAL_LOSS = "adam", "mean_squared_error"


class Untrained(Exception):
    """Why nothing is trained."""


def name_of(thing):
    """A loss as JSON has it: its name; lists and dicts of them."""
    if thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, (list, tuple)):
        return [name_of(part) for part in thing]
    if isinstance(thing, dict):
        return {str(key): name_of(thing[key]) for key in thing}
    return str(getattr(thing, "name", None) or getattr(thing, "__name__", None) or type(thing).__name__)


def plain(value):
    """The config of an optimizer as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    array = np.asarray(to_array(value) if hasattr(value, "detach") else value)
    return array.tolist() if array.dtype.kind in "fiub" else str(value)


def all_layers(model):
    """Every layer, cells and those inside of wrappers included."""
    if hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers())
    found, left = [], [model]
    while left:
        layer = left.pop()
        if any(layer is other for other in found):
            continue
        found.append(layer)
        left.extend(sublayers(layer) if hasattr(layer, "layers") else [])
        for name in ("layer", "cell", "forward_layer", "backward_layer"):
            left.extend([getattr(layer, name)] if hasattr(getattr(layer, name, None), "weights") else [])
        left.extend(getattr(layer, "cells", None) or [])
    return found


def quieten(model):
    """Turn dropout and noise off: (layer, attribute, value) of what was on."""
    found = []
    for layer in all_layers(model):
        for name in NOISE:
            value = getattr(layer, name, None)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value:
                continue
            try:
                setattr(layer, name, 0.0)
            except AttributeError:
                continue  # it shows what the cell inside has
            found.append((layer, name, value))
    return found


def targets_of(loss, outputs, seed):
    """Random targets that a loss takes, for each output."""
    rng = np.random.RandomState(seed)
    losses = loss if isinstance(loss, list) and len(loss) == len(outputs) else [loss] * len(outputs)
    return [_target(str(name).lower().replace("_", ""), output, rng) for name, output in zip(losses, outputs)]


def _target(loss, output, rng):
    shape, last = output.shape, output.shape[-1] if output.ndim else 1
    if loss in ("crossentropy", "ce"):
        loss = "binarycrossentropy" if last == 1 else "categoricalcrossentropy"
    if "ctc" in loss:
        raise Untrained("no targets are made for the loss " + loss)
    if "sparse" in loss:
        return rng.randint(0, last, size=shape[:-1]).astype("int32")
    if "binary" in loss:
        return rng.randint(0, 2, size=shape).astype(output.dtype)
    if "categoricalhinge" in loss or "categorical" in loss or "kl" in loss or "kullback" in loss:
        parts = rng.uniform(0.1, 1.0, size=shape)
        if "hinge" in loss:
            parts = np.eye(last)[rng.randint(0, last, size=shape[:-1])]
        return (parts / parts.sum(-1, keepdims=True)).astype(output.dtype)
    if "hinge" in loss:
        return (2.0 * rng.randint(0, 2, size=shape) - 1.0).astype(output.dtype)
    if "poisson" in loss or "logarithmic" in loss or "msle" in loss:
        return rng.uniform(0.1, 2.0, size=shape).astype(output.dtype)
    return rng.standard_normal(shape).astype(output.dtype)


def new_optimizer(keras, stated):
    """An optimizer from its class and arguments."""
    return keras.optimizers.get(stated if isinstance(stated, str) else dict(stated))


def twin_of(optimizer, variables):
    """An optimizer of the same class, arguments and state.

    The state of one that has done no step is made anew: tf.keras begins averages with the weights that a model has
    when it is compiled, and those are random ones where it is read from a file.
    """
    twin = type(optimizer).from_config(optimizer.get_config())
    if hasattr(optimizer, "build"):
        twin.build(variables)
        held = _variables(optimizer)
        if len(held) == len(_variables(twin)) and done_by(optimizer):
            for own, other in zip(_variables(twin), held):
                own.assign(other)
    elif hasattr(optimizer, "_create_all_weights") and optimizer.weights:
        twin._create_all_weights(variables)
        twin.set_weights(optimizer.get_weights())
    return twin


def done_by(optimizer):
    """How many steps an optimizer says that it has done."""
    return int(np.asarray(to_array(getattr(optimizer, "iterations", 0))))


def _variables(optimizer):
    """The state of an optimizer in its own order."""
    if kind_of(optimizer, True) == "legacy":
        return list(optimizer.weights)
    return list(optimizer.variables)


def kind_of(optimizer, keras2):
    """Which Keras lists its state: 3, tf.keras since 2.11, or an older one."""
    if not keras2:
        return "keras3"
    return "legacy" if hasattr(optimizer, "get_updates") else "tf"


class Trainer(object):
    """Trains a model for some steps and keeps what becomes of it. The model is afterwards as it was.

    Args:
        keras: The module.
        model: The model.
        weighted: Its layers with weights.
        keep: Keeps a value and gives its name.
        optimizer: Its class and arguments, in the place of the model's own; None for that.
        loss: A name, or a list of them; None for the model's own.
    """

    def __init__(self, keras, model, weighted, keep, optimizer=None, loss=None):
        self.keras, self.model, self.weighted, self.keep = keras, model, weighted, keep
        self.keras3 = version_of(keras) >= (3, 0)
        self.eager = is_eager(keras)
        own_optimizer, own_loss = getattr(model, "optimizer", None), getattr(model, "loss", None)
        compiled = own_optimizer is not None and bool(own_loss)
        self.chosen_by = "the caller" if optimizer or loss else "the file" if compiled else "nobody"
        self.places = {}
        for layer in weighted:
            for place, weight in enumerate(layer.weights):
                self.places.setdefault(id(weight), (layer.name, place))
        if not self.eager and self.chosen_by != "the file":
            model.compile(optimizer or USUAL_OPTIMIZER, loss or USUAL_LOSS)
        elif self.chosen_by != "the file":
            made = optimizer or (own_optimizer if compiled else None) or USUAL_OPTIMIZER
            made = made if not isinstance(made, (str, dict)) else new_optimizer(keras, made)
            model.compile(optimizer=made, loss=loss or (own_loss if compiled else None) or USUAL_LOSS)
        self.optimizer = model.optimizer
        if self.eager and not hasattr(self.optimizer, "inner_optimizer"):
            self.optimizer = twin_of(model.optimizer, model.trainable_weights)
        # Keras 3 reads how many steps were done from an .h5 file, and not what the optimizer had gathered in them.
        self.lost = self.chosen_by == "the file" and done_by(model.optimizer) != done_by(self.optimizer)

    def train(self, specs, steps, length, seed, given=None):
        """What a recording says of a training.

        Args:
            specs: Of the inputs.
            steps: How many.
            length: For sizes that are open.
            seed: Of the batches.
            given: Inputs of somebody's own, which every step gets.
        """
        said = self.said = {
            "summed": False,
            "lost": self.lost,
            "optimizer": type(self.optimizer).__name__,
            "settings": plain(self.optimizer.get_config()),
            "loss": name_of(self.model.loss),
            "chosen_by": self.chosen_by,
            "dropout": [],
            "kind": kind_of(self.optimizer, not self.keras3),
            "steps": [],
            "error": None,
        }
        losses = said["loss"]
        if isinstance(losses, dict):
            losses = [losses.get(name) for name in self.model.output_names]
        quiet = quieten(self.model)
        said["dropout"] = sorted({str(layer.name) for layer, _, _ in quiet})
        try:
            if quiet and not self.eager:
                raise Untrained("dropout cannot be turned off in a graph that is made already")
            kinds = [type(layer).__name__ for _, layer in layers_by_path(self.model)]
            if not self.eager and any("BatchNormalization" in kind for kind in kinds):
                raise Untrained("a BatchNormalization takes its averages in a graph that is made for inference")
            for number in range(steps):
                inputs = given if given is not None else arrays(specs, batch(specs, number, length, seed))
                if not number:
                    self.look(inputs)
                said["steps"].append(self.step(inputs, seed + 6000 + number, losses))
                if not np.isfinite(said["steps"][-1]["loss"]):
                    said["steps"].pop()
                    raise Untrained("the loss is not finite in step %d" % (number + 1))
        except Untrained as error:
            said["error"] = str(error)
        except Exception as error:  # noqa: BLE001 - every backend has classes of its own; the report names the reason
            if is_memory(error):
                raise
            said["error"] = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:500])
        finally:
            for layer, name, value in quiet:
                setattr(layer, name, value)
        return said

    def look(self, inputs):
        """See what the outputs are like, for the targets."""
        self.outputs = None
        if self.eager:
            self.outputs, _, _ = run_eagerly(self.model, inputs, None, False)
            self.likes = [to_array(value) for value in flat(self.outputs)]
        else:
            made = self.model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]))
            self.likes = as_list(made)
        reset_states(self.model)

    def step(self, inputs, seed, loss):
        targets = targets_of(loss, self.likes, seed)
        fed = [self.keep(array) for array in inputs], [self.keep(array) for array in targets]
        if self.eager:
            loss, gradients = self._eagerly(inputs, packed(self.outputs, list(targets)))
        else:
            told = self.model.train_on_batch(inputs if len(inputs) > 1 else inputs[0],
                                             targets if len(targets) > 1 else targets[0])  # fmt: skip
            loss, gradients = float(np.asarray(told).ravel()[0]), []
        return {
            "inputs": fed[0],
            "targets": fed[1],
            "loss": loss,
            "gradients": gradients,
            "weights": [[layer.name, [self.keep(array) for array in layer.get_weights()]] for layer in self.weighted],
            "slots": [[name, [self.keep(value)]] for name, value in self._slots()],
        }

    def _eagerly(self, inputs, targets):
        weights = list(self.model.trainable_weights)
        told = []

        def loss_of(outputs):
            loss = self._loss(inputs, targets, outputs)
            told.append(loss)
            scale = getattr(self.optimizer, "scale_loss", None)
            return scale(loss) if scale is not None else loss

        done = differentiate(self.keras, self.model, inputs, weights, True, loss_of)
        for variable, value in done.after:
            if value is not None:
                variable.assign(value)
        gradients = []
        for weight, gradient in zip(weights, done.weights):
            if id(weight) in self.places:
                layer, place = self.places[id(weight)]
                array = None if gradient is None else self.keep(gradient)
                gradients.append({"layer": layer, "place": place, "array": array, "flows": gradient is not None})
        self.optimizer.apply_gradients(list(zip([self._summed(gradient) for gradient in done.raw], weights)))
        loss = done.loss if framework_of(self.keras) == "jax" else told[-1]
        return float(np.asarray(to_array(loss))), gradients

    def _summed(self, gradient):
        """A gradient with one value for each row of a table.

        Keras 3 on TensorFlow hands its optimizers one for each time that a row was looked up, and they square each by
        itself. No other backend does that, and no other Keras.
        """
        if not self.keras3 or not is_of_rows(gradient):
            return gradient
        self.said["summed"] = True
        return sys.modules["tensorflow"].convert_to_tensor(gradient)

    def _loss(self, inputs, targets, outputs):
        x = inputs if len(inputs) > 1 else inputs[0]
        if self.keras3:
            return self.model.compute_loss(x=x, y=_tensors(self.keras, targets), y_pred=outputs, sample_weight=None)
        targets = _tensors(None, targets)
        if hasattr(self.model, "compute_loss"):
            return self.model.compute_loss(x, targets, outputs, None)
        return self.model.compiled_loss(targets, outputs, None, regularization_losses=self.model.losses)

    def _slots(self):
        """(name, value) of the state of the optimizer, in its own order."""
        if self.keras3:
            return [(str(variable.path), variable.value) for variable in self.optimizer.variables]
        held = _variables(self.optimizer)
        if self.eager:
            return [(str(variable.name), variable) for variable in held]
        return list(zip([str(variable.name) for variable in held], self.keras.backend.batch_get_value(held)))


def batch(specs, number, length, seed):
    """What the batch of a step holds; every second one has masked steps, where there can be some."""
    patterns = (None, "right", "holes")
    return {"seed": seed + 5000 + number, "rows": 4, "length": length, "scale": 1.0, "pattern": patterns[number % 3]}


def packed(outputs, arrays_of_outputs):
    """Arrays nested as outputs are."""
    if isinstance(outputs, (list, tuple)):
        return [packed(part, arrays_of_outputs) for part in outputs]
    if isinstance(outputs, dict):
        return {key: packed(outputs[key], arrays_of_outputs) for key in sorted(outputs)}
    return arrays_of_outputs.pop(0)


def _tensors(keras, value):
    if isinstance(value, list):
        return [_tensors(keras, part) for part in value]
    if isinstance(value, dict):
        return {key: _tensors(keras, value[key]) for key in value}
    return keras.ops.convert_to_tensor(value) if keras is not None else sys.modules["tensorflow"].constant(value)
