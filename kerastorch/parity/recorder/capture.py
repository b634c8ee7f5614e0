"""What each layer of a Keras model gets and returns: by watching it, or before TensorFlow 2 from its graph."""

from __future__ import division

import sys

import numpy as np

from .wiring import as_list, class_of, is_model, nodes_of, sublayers, tensors_into

NOT_DATA = ("training", "mask", "return_attention_scores", "use_causal_mask")


def version_of(keras):
    """(2, 15) of Keras 2.15.0."""
    return tuple(int(part) for part in str(keras.__version__).split(".")[:2])


def is_eager(keras):
    """Whether layers compute on values, and not on tensors of a graph that is run later."""
    if version_of(keras) >= (3, 0):
        return True
    tensorflow = sys.modules.get("tensorflow")
    return bool(tensorflow is not None and getattr(tensorflow, "executing_eagerly", lambda: False)())


def layers_by_path(model, inside=""):
    """(path, layer) of every layer but the inputs; those of a model inside behind its name: `encoder/lstm`."""
    found = []
    for layer in sublayers(model):
        if class_of(layer) == "InputLayer":
            continue
        path = inside + layer.name
        found.append((path, layer))
        if is_model(layer):
            found.extend(layers_by_path(layer, path + "/"))
    return found


def reset_states(model):
    """Set what a stateful model keeps to zeros, whatever this Keras calls it."""
    for owner in [model] + [layer for _, layer in layers_by_path(model)]:
        if not getattr(owner, "stateful", False):
            continue
        for name in ("reset_states", "reset_state"):
            if hasattr(owner, name):
                getattr(owner, name)()
                break


def to_array(value):
    """A value of any backend as a numpy array; None for what is no array."""
    if hasattr(value, "detach"):  # of torch, where dense tensors have a method to_dense, too
        if "strided" not in str(value.layout):
            return None
        value = value.detach().cpu()
        value = (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
    if hasattr(value, "to_tensor") or hasattr(value, "to_dense"):
        return None  # ragged and sparse values have no array
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        if "float" not in str(array.dtype):
            return None
        array = array.astype("float32")  # bfloat16
    return array


def is_of_rows(value):
    """Whether a gradient of a table is given as rows and their places; dense ones of torch have both methods, too."""
    return hasattr(value, "indices") and hasattr(value, "values") and not hasattr(value, "detach")


def flat(value):
    """The arrays in nested lists and dicts, in order."""
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in flat(part)]
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in flat(value[key])]
    return [value] if hasattr(value, "shape") and hasattr(value, "dtype") else []


def masks_in(value):
    """The masks in nested lists, in order, None where an input has none."""
    if isinstance(value, (list, tuple)):
        return [mask for part in value for mask in masks_in(part)]
    return [value]


def is_recurrent(layer):
    """Whether a layer of Keras's own goes through time with states."""
    return isinstance(getattr(layer, "return_state", None), bool) and (
        hasattr(layer, "get_initial_state") or hasattr(layer, "forward_layer")
    )


def directions_of(layer):
    """The layers that hold the states of a recurrent one: both of a Bidirectional, else itself."""
    return [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]


def random_states(layer, inputs, seed):
    """Random tensors for the states that a recurrent layer would begin with as zeros."""
    rng, made = np.random.RandomState(seed), []
    for part in directions_of(layer):
        code = part.get_initial_state.__code__
        by_rows = "batch_size" in code.co_varnames[1 : code.co_argcount]
        for zero in flat(part.get_initial_state(inputs.shape[0] if by_rows else inputs)):
            array = rng.standard_normal([int(size) for size in zero.shape]).astype("float32")
            made.append(zero.new_tensor(array) if hasattr(zero, "new_tensor") else zero + array)
    return made


class Watch(object):
    """While it is active, each call of a layer of an eager model is kept: what went in, the masks, what came out.

    Args:
        model: The model.
        keep: Keeps a value and gives its name; None if calls are not kept.
        seed: Of random states that recurrent layers begin with where they are given none; None for zeros.
        apart: Whether each output is a tensor of its own: one may be made of another, as the output of an LSTM is of
            its state, and the gradient of a loss with respect to that would count what it does to both.

    Attributes:
        calls: What is kept.
        made: For each of them the tensors that came out.
        begun: The random states by the path of the layer.
    """

    def __init__(self, model, keep, seed=None, apart=False):
        self.layers, self.keep, self.seed, self.apart = layers_by_path(model), keep, seed, apart
        self.calls, self.made, self.begun, self.real = [], [], {}, []

    def __enter__(self):
        for number, (path, layer) in enumerate(self.layers):
            self.real.append((layer, "call" in layer.__dict__, layer.call))
            object.__setattr__(layer, "call", self._watched(path, layer, layer.call, number))
        return self

    def __exit__(self, *unused):
        for layer, own, call in self.real:
            if own:
                object.__setattr__(layer, "call", call)
            else:
                object.__delattr__(layer, "call")

    def _watched(self, path, layer, call, number):
        def watched(*args, **kwargs):
            if self.seed is not None and _begins_with_zeros(layer, args, kwargs):
                if path not in self.begun:
                    self.begun[path] = random_states(layer, args[0], self.seed + number)
                kwargs = dict(kwargs, initial_state=self.begun[path])
            if self.keep is None:
                return call(*args, **kwargs)
            outputs, states = _with_states(layer, call, args, kwargs)
            if self.apart:
                outputs = _apart(outputs)
            named = [(name, kwargs[name]) for name in sorted(kwargs) if name not in NOT_DATA]
            data = [value for name, value in named if not name.endswith("_mask")]
            masks = [kwargs[name] for name in ["mask"] + [name for name, _ in named] if name.endswith("mask")
                     and kwargs.get(name) is not None]  # fmt: skip
            self.calls.append(
                {
                    "layer": path,
                    "class": class_of(layer),
                    "inputs": [self.keep(value) for value in flat(args) + flat(data)],
                    "masks": [self.keep(mask) for mask in masks_in(masks)],
                    "outputs": [self.keep(value) for value in flat(outputs)],
                    "states": [self.keep(value) for value in states],
                }
            )
            self.made.append(flat(outputs))
            return outputs

        return watched


def _apart(value):
    """The same values in tensors of their own, for gradients."""
    if isinstance(value, (list, tuple)):
        parts = [_apart(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: _apart(value[key]) for key in value}
    if not hasattr(value, "dtype") or "float" not in str(value.dtype) or hasattr(value, "to_tensor"):
        return value
    made = value.clone() if hasattr(value, "clone") else sys.modules["tensorflow"].identity(value)
    if getattr(value, "_keras_mask", None) is not None:
        made._keras_mask = value._keras_mask
    return made


def _begins_with_zeros(layer, args, kwargs):
    """Whether a call of a recurrent layer is given no states."""
    alone = len(args) == 1 and hasattr(args[0], "shape") and kwargs.get("initial_state") is None
    return alone and is_recurrent(layer)


def _with_states(layer, call, args, kwargs):
    """What a call returns, and the states of a recurrent layer that does not return them."""
    parts = []
    if is_recurrent(layer) and not layer.return_state:
        parts = [part for part in [layer] + directions_of(layer) if not part.return_state]
    for part in parts:
        object.__setattr__(part, "return_state", True)
    try:
        outputs = call(*args, **kwargs)
    finally:
        for part in parts:
            object.__setattr__(part, "return_state", False)
    if not parts or not isinstance(outputs, (list, tuple)):
        return outputs, []
    count = 2 if hasattr(layer, "forward_layer") and layer.merge_mode is None else 1
    return (outputs[0] if count == 1 else type(outputs)(outputs[:count])), flat(list(outputs[count:]))


def run_eagerly(model, inputs, keep, layers, seed=None):
    """What an eager model returns, the calls of its layers where they are wanted, and states that they began with."""
    given = inputs if len(inputs) > 1 else inputs[0]
    if not layers and seed is None:
        return model(given, training=False), [], {}
    with Watch(model, keep if layers else None, seed) as watch:
        outputs = model(given, training=False)
    return outputs, watch.calls, watch.begun


class Graph(object):
    """The tensors of a model in Keras 1, or in Keras 2 where nothing is eager, and functions that compute them."""

    def __init__(self, model, backend):
        self.backend, self.model, self.functions = backend, model, {}
        self.places, self.tensors = [], as_list(model.inputs)  # the inputs are fed, and need not be computed
        self.given = len(self.tensors)
        graph = getattr(model, "model", None) or model  # a Sequential before Keras 2.2 has its graph in a model inside
        used = None
        for name in ("_network_nodes", "_container_nodes", "container_nodes"):
            used = getattr(graph, name, used)
        for layer in model.layers:
            if class_of(layer) == "InputLayer":
                continue
            for number, node in enumerate(nodes_of(layer)):
                if used is not None and "%s_ib-%d" % (layer.name, number) not in used:
                    continue
                masks = as_list(getattr(node, "input_masks", None))
                self.places.append((layer, self._all(tensors_into(node)), self._all(masks), self._all(
                    as_list(node.output_tensors))))  # fmt: skip

    def _all(self, tensors):
        """The numbers of tensors among those that are computed; None for None."""
        numbers = []
        for tensor in tensors:
            if tensor is None:
                numbers.append(None)
                continue
            known = [number for number, other in enumerate(self.tensors) if other is tensor]
            if not known:
                self.tensors.append(tensor)
            numbers.append(known[0] if known else len(self.tensors) - 1)
        return numbers

    def gradients(self, inputs, weights, spread):
        """Gradients of the sum of all outputs, each number times a factor: for the inputs, and for the weights.

        Args:
            inputs: Arrays.
            weights: Those of the model.
            spread: Makes the factors of what the outputs are.
        """
        outputs = as_list(self.model.outputs)
        into = self.tensors[: self.given]
        factors = spread(self.backend.function(into, outputs)(inputs))
        if "gradients" not in self.functions:
            feeds = [self.backend.placeholder(ndim=value.ndim) for value in factors]
            sums = [self.backend.sum(output * feed) for output, feed in zip(outputs, feeds)]
            floats = [tensor for tensor, array in zip(into, inputs) if array.dtype.kind == "f"]
            found = self.backend.gradients(sum(sums[1:], sums[0]), floats + list(weights))
            made = self.backend.function(into + feeds, [one for one in found if one is not None])
            self.functions["gradients"] = (made, [one is not None for one in found])
        made, there = self.functions["gradients"]
        values = list(made(list(inputs) + factors))
        found = [values.pop(0) if one else None for one in there]
        of_inputs = [found.pop(0) if array.dtype.kind == "f" else None for array in inputs]
        return of_inputs, found

    def run(self, inputs, keep, layers):
        """The outputs of the model, and the calls of its layers where they are wanted."""
        outputs = as_list(self.model.outputs)
        if layers not in self.functions:
            wanted = outputs + (self.tensors[self.given :] if layers else [])
            updates = list(getattr(self.model, "state_updates", None) or [])  # what a stateful model keeps
            self.functions[layers] = self.backend.function(self.tensors[: self.given], wanted, updates=updates)
        values = self.functions[layers](inputs)
        made, rest = values[: len(outputs)], list(inputs) + values[len(outputs) :]
        calls = []
        for layer, into, masks, out in self.places if layers else []:
            kept = [
                [None if number is None else keep(rest[number]) for number in group] for group in (into, masks, out)
            ]
            calls.append(
                {"layer": layer.name, "class": class_of(layer), "inputs": kept[0], "masks": kept[1], "outputs": kept[2]}
            )
        return made, calls
