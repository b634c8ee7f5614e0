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


class Watch(object):
    """While it is active, each call of a layer of an eager model is kept: what went in, the masks, what came out."""

    def __init__(self, model, keep):
        self.layers, self.keep, self.calls, self.real = layers_by_path(model), keep, [], []

    def __enter__(self):
        for path, layer in self.layers:
            self.real.append((layer, "call" in layer.__dict__, layer.call))
            object.__setattr__(layer, "call", self._watched(path, layer, layer.call))
        return self

    def __exit__(self, *unused):
        for layer, own, call in self.real:
            if own:
                object.__setattr__(layer, "call", call)
            else:
                object.__delattr__(layer, "call")

    def _watched(self, path, layer, call):
        def watched(*args, **kwargs):
            outputs = call(*args, **kwargs)
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
                }
            )
            return outputs

        return watched


def run_eagerly(model, inputs, keep, layers):
    """The outputs of an eager model, and the calls of its layers where they are wanted."""
    given = inputs if len(inputs) > 1 else inputs[0]
    if not layers:
        return [to_array(value) for value in flat(model(given, training=False))], []
    with Watch(model, keep) as watch:
        outputs = model(given, training=False)
    return [to_array(value) for value in flat(outputs)], watch.calls


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
        return [to_array(value) for value in made], calls
