"""What Keras code does with the layers of models: see `model_habits`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._model_cases import FEATURES, TIME, both, case, data, fill, recurrent

# ---------------------------------------------------------------- taking models apart


@both
def layers_behind_the_first_take_other_lengths(k: Any, directory: str) -> Any:
    model = recurrent(k)
    behind = k.Sequential(model.layers[1:])
    return behind.predict(data(4, 2 * TIME, 4), verbose=0), behind.predict(data(4, TIME, 4), verbose=0)


@both
def layers_of_a_graph_in_a_chain(k: Any, directory: str) -> Any:
    x = k.Input((TIME, FEATURES))
    model = fill(k.Model(x, k.layers.Dense(2)(k.layers.GRU(4)(k.layers.LSTM(4, return_sequences=True)(x)))))
    behind = k.Sequential(layers=model.layers[2:], name="behind")
    return [layer.name == other.name for layer, other in zip(behind.layers, model.layers[2:], strict=True)], (
        behind.predict(data(3, 9, 4), verbose=0)
    )


# ---------------------------------------------------------------- model.layers


@both
def layers_are_a_list_of_ones_own(k: Any, directory: str) -> Any:
    found = []
    x = k.Input((TIME, FEATURES))
    graph = k.Model(
        x,
        k.layers.Dense(2, name="head")(
            k.layers.GRU(3, name="gru")(k.layers.LSTM(4, return_sequences=True, name="lstm")(x))
        ),
    )
    for model in (recurrent(k), graph):
        names = [layer.name for layer in model.layers]
        edited = model.layers
        last = edited.pop()
        edited.append(k.layers.Dense(7, name="new"))
        edited.insert(0, last)
        edited[1] = last
        edited += [last]
        edited.extend([last])
        del edited[0]
        edited.reverse()
        edited.remove(last)
        copied = edited.copy()
        edited.clear()
        found.append(
            (
                [layer.name for layer in copied][:2],
                copied.count(last),
                copied.index(last),
                len(edited),
                [layer.name for layer in model.layers] == names,
                model.layers == model.layers,
                model.layers == list(model.layers),
                next(reversed(model.layers)).name,
                last in model.layers,
                k.layers.Dense(2) in model.layers,
                [layer.name for layer in model.layers + [last]][-1],  # noqa: RUF005
                next(iter([last] + model.layers)).name,  # noqa: RUF005
                model.layers[::-1][0].name,
                [layer.name for layer in model.layers * 2][-1],
                len(model.layers[-2:] + [model.layers[0]]),  # noqa: RUF005
                model.layers.index(model.layers[2]),
                bool(model.layers),
            )
        )
    return found


@both
def layers_cannot_be_set(k: Any, directory: str) -> Any:
    errors = []
    for model in (recurrent(k), k.Model(x := k.Input((3,)), k.layers.Dense(2)(x))):
        try:
            model.layers = []
            errors.append("fine")
        except AttributeError:
            errors.append("AttributeError")
    return errors


# ---------------------------------------------------------------- masks of models


@case
def masks_of_models(k: Any, directory: str) -> Any:
    """What a model says of a mask; what hangs on its outputs is another thing."""
    ids = np.array([[1, 2, 0], [3, 0, 0]], "int32")
    mask = np.array([[True, False, True], [True, True, False]])
    x = k.Input((3,), dtype="int32")
    embedded = k.layers.Embedding(5, 2, mask_zero=True)(x)
    chain = k.Sequential([k.Input((3,), dtype="int32"), k.layers.Embedding(5, 2, mask_zero=True), k.layers.LSTM(2)])
    models = [k.Model(x, embedded), k.Model(x, [embedded, k.layers.LSTM(2)(embedded)]), chain]
    models += [k.Sequential([k.Input((3,), dtype="int32"), model]) for model in (models[0], chain)]
    models += [k.Sequential([chain]), k.layers.TimeDistributed(k.Sequential([k.layers.LSTM(2)]))]
    asked = [model.compute_mask(ids, given) for model in models for given in (None, mask)]
    return [None if found is None else np.asarray(found).tolist() for found in asked]
