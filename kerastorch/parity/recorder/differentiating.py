"""Gradients of a Keras model, whatever computes it: TensorFlow, torch or JAX, or a graph of TensorFlow 1."""

from __future__ import division

import sys

import numpy as np

from .capture import Watch, flat, is_of_rows, run_eagerly, to_array, version_of


def framework_of(keras):
    """What computes an eager model: "tensorflow", "torch" or "jax"."""
    return str(keras.backend.backend()) if version_of(keras) >= (3, 0) else "tensorflow"


def is_float(value):
    return "float" in str(value.dtype)


def value_of(weight):
    """The tensor of a weight that gradients are taken of."""
    value = getattr(weight, "value", None)
    return weight if value is None or callable(value) else value


def trained_weights(layers):
    """(layer, place, weight) of every weight that is trained, each once; the place is that among all of the layer's."""
    found, seen = [], set()
    for layer in layers:
        trained = {id(weight) for weight in layer.trainable_weights}
        for place, weight in enumerate(layer.weights):
            if id(weight) in trained and id(weight) not in seen:
                seen.add(id(weight))
                found.append((layer.name, place, weight))
    return found


def dense(gradient):
    """A gradient as an array; None where there is none."""
    if is_of_rows(gradient):
        gradient = sys.modules["tensorflow"].convert_to_tensor(gradient)
    return None if gradient is None else to_array(gradient)


class Differentiated(object):
    """What a model computed, and gradients of one number that was made of it.

    Attributes:
        outputs: What the model returned.
        loss: The number.
        inputs: The gradient for each input; None for one of integers.
        weights: The gradient for each weight that was asked for; None where none flows.
        raw: The same as the framework has them, for an optimizer.
        inside: The gradient for each output of each call of a layer; empty where they cannot be had.
        after: (variable, value) of what the run would have changed; it has not, where this is not empty.
    """

    def __init__(self, outputs, loss, inputs, weights, raw=(), inside=(), after=()):
        self.outputs, self.loss, self.inputs, self.weights, self.raw = outputs, loss, inputs, weights, raw
        self.inside, self.after = list(inside), list(after)


def differentiate(keras, model, inputs, weights, training, loss_of, watch=None):
    """Run an eager model and differentiate what `loss_of` makes of its outputs.

    Args:
        keras: The module.
        model: The model.
        inputs: Arrays.
        weights: Those of the model.
        training: Whether it runs as in training.
        loss_of: Makes one number of what the model returns.
        watch: A `Watch` that is active; gradients of what it sees are taken too.
    """
    run = {"tensorflow": by_tensorflow, "torch": by_torch, "jax": by_jax}[framework_of(keras)]
    return run(keras, model, inputs, weights, training, loss_of, watch)


def _split(found, floats, inputs, weights, watch):
    """The gradients of inputs, weights (twice: see `raw`) and what was watched, from one list in that order."""
    found = list(found)
    of_inputs = [dense(found.pop(0)) if place in floats else None for place in range(len(inputs))]
    raw = [found.pop(0) for _ in weights]
    inside = []
    for made in watch.made if watch is not None else []:
        inside.append([dense(found.pop(0)) if is_float(value) else None for value in made])
    return of_inputs, [dense(gradient) for gradient in raw], raw, inside


def _inside(watch):
    return [value for made in (watch.made if watch is not None else []) for value in made if is_float(value)]


def _given(tensors):
    return tensors if len(tensors) > 1 else tensors[0]


def by_tensorflow(keras, model, inputs, weights, training, loss_of, watch):
    tf = sys.modules["tensorflow"]
    tensors = [tf.convert_to_tensor(array) for array in inputs]
    floats = [place for place, array in enumerate(inputs) if array.dtype.kind == "f"]
    with tf.GradientTape() as tape:
        for place in floats:
            tape.watch(tensors[place])
        outputs = model(_given(tensors), training=training)
        loss = loss_of(outputs)
    sources = [tensors[place] for place in floats] + [value_of(weight) for weight in weights] + _inside(watch)
    found = tape.gradient(loss, sources)
    return Differentiated(outputs, loss, *_split(found, floats, inputs, weights, watch))


def by_torch(keras, model, inputs, weights, training, loss_of, watch):
    torch = sys.modules["torch"]
    tensors = [keras.ops.convert_to_tensor(array) for array in inputs]
    floats = [place for place, array in enumerate(inputs) if array.dtype.kind == "f"]
    tensors = [tensor.requires_grad_() if place in floats else tensor for place, tensor in enumerate(tensors)]
    with torch.enable_grad():
        outputs = model(_given(tensors), training=training)
        loss = loss_of(outputs)
    sources = [tensors[place] for place in floats] + [value_of(weight) for weight in weights] + _inside(watch)
    able = [source for source in sources if source.requires_grad]
    grads = dict(zip(map(id, able), torch.autograd.grad(loss, able, allow_unused=True)))
    found = [grads.get(id(source)) for source in sources]
    return Differentiated(outputs, loss, *_split(found, floats, inputs, weights, watch))


def by_jax(keras, model, inputs, weights, training, loss_of, watch):
    """Nothing inside is seen here: what JAX traces has no values."""
    jax = sys.modules["jax"]
    trained, rest = list(model.trainable_variables), list(model.non_trainable_variables)
    floats = [place for place, array in enumerate(inputs) if array.dtype.kind == "f"]
    kept = [variable.value for variable in rest]

    def run(values, given):
        tensors = [given[floats.index(place)] if place in floats else array for place, array in enumerate(inputs)]
        with keras.StatelessScope(list(zip(trained, values)) + list(zip(rest, kept))) as scope:
            outputs = model(_given(tensors), training=training)
            loss = loss_of(outputs)
        return loss, (outputs, [scope.get_current_value(variable) for variable in rest])

    step = jax.value_and_grad(run, argnums=(0, 1), has_aux=True)
    (loss, (outputs, after)), (of_trained, of_inputs) = step(
        [variable.value for variable in trained], [inputs[place] for place in floats]
    )
    by_weight = dict(zip(map(id, trained), of_trained))
    made = [dense(of_inputs[floats.index(place)]) if place in floats else None for place in range(len(inputs))]
    raw = [by_weight.get(id(weight)) for weight in weights]
    return Differentiated(outputs, loss, made, [dense(one) for one in raw], raw, after=list(zip(rest, after)))


def spread_loss(keras, spread):
    """A loss: the sum of all outputs, each number times a factor. `spread` gets the factors when it is called."""

    def loss_of(outputs):
        values = [value for value in flat(outputs)]
        total = 0.0
        for value, factors in zip(values, spread(values)):
            if is_float(value):
                total = total + _sum(keras, value, factors)
        return total

    return loss_of


def _sum(keras, value, factors):
    if version_of(keras) >= (3, 0):
        dtype = keras.backend.standardize_dtype(value.dtype)
        return keras.ops.sum(value * keras.ops.convert_to_tensor(factors, dtype=dtype))
    tf = sys.modules["tensorflow"]
    return tf.reduce_sum(value * tf.cast(factors, value.dtype))


def run_with_gradients(keras, model, inputs, weights, factors, keep, layers, seed):
    """One run of an eager model in inference, with gradients of the sum of its outputs times factors.

    Args:
        keras: The module.
        model: The model.
        inputs: Arrays.
        weights: Those of the model.
        factors: Makes them of the outputs.
        keep: Keeps an array and gives its name.
        layers: Whether calls of layers are wanted.
        seed: See `Watch`.

    Returns:
        (outputs, calls, states that layers began with, Differentiated)
    """
    loss_of = spread_loss(keras, factors)
    if framework_of(keras) == "jax":  # what it traces has no values: layers are watched in a run of their own
        with Watch(model, None, seed):
            done = differentiate(keras, model, inputs, weights, False, loss_of)
        return run_eagerly(model, inputs, keep, layers, seed) + (done,)
    with Watch(model, keep if layers else None, seed, apart=True) as watch:
        done = differentiate(keras, model, inputs, weights, False, loss_of, watch)
    return done.outputs, watch.calls, watch.begun, done


class Factors(object):
    """Random factors for the numbers of outputs, the same ones whenever they are asked for."""

    def __init__(self, seed):
        self.seed, self.drawn = seed, None

    def __call__(self, values):
        if self.drawn is None:
            rng = np.random.RandomState(self.seed)
            self.drawn = [
                rng.standard_normal([int(size) for size in value.shape]).astype("float32") for value in values
            ]
        return self.drawn
