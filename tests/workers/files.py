"""Files of real Keras with what people write otherwise than its documents: saved, read back and computed by Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat
from .models import build


def run(
    k: ModuleType, builder: str, inputs: Any, folder: str, endings: tuple[str, ...] = (".keras", ".h5", ".json")
) -> dict[str, Any]:
    """A model with random weights as `model` + each ending; what Keras computes with each file that it reads again.

    Returns:
        `outputs` by ending, those of the model itself under ""; `weights`; `errors`: by ending, why Keras does not
        write or read the file.
    """
    model, weights = build(k, builder)
    found = {"": _outputs(model, inputs)}
    errors = {}
    for ending in endings:
        path = f"{folder}/model{ending}"
        try:
            if ending == ".json":
                with open(path, "w") as file:
                    file.write(model.to_json())
                again = k.models.model_from_json(model.to_json())
                again.set_weights(weights)
            else:
                model.save(path)
                again = k.models.load_model(path, compile=False)
            found[ending] = _outputs(again, inputs)
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            errors[ending] = f"{type(error).__name__}: {error}"
    return {"outputs": found, "weights": weights, "errors": errors}


def _outputs(model: Any, inputs: Any) -> list[np.ndarray]:
    outputs = model.predict(inputs, verbose=0, batch_size=model.inputs[0].shape[0] or 32)
    return [np.asarray(output) for output in flat(outputs)]


def cudnn(k: ModuleType, folder: str) -> list[np.ndarray]:
    """Files of a model with the layers of cuDNN, which write them without a GPU, and its weights."""
    from tf_keras.src.layers.rnn.cudnn_gru import CuDNNGRU
    from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM

    x = k.Input((5, 3))
    y = CuDNNLSTM(4, return_sequences=True)(x)
    y = CuDNNGRU(4, return_sequences=True, name="named")(y)
    y = k.layers.Bidirectional(CuDNNGRU(2, return_sequences=True))(y)
    inner = k.Sequential([k.Input((5, 4)), k.layers.Bidirectional(CuDNNLSTM(3)), k.layers.Dense(2)])
    model = k.Model(x, [inner(y), CuDNNLSTM(4)(y)])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=array.shape).astype("float32") for array in model.get_weights()])
    for ending in (".keras", ".h5", ".weights.h5"):
        model.save_weights(f"{folder}/model{ending}") if "weights" in ending else model.save(f"{folder}/model{ending}")
    return model.get_weights()


# ---------------------------------------------------------------------------------------------- 0 and 1 as booleans


def ones_in_layers(k: ModuleType) -> Any:
    """1 and 0 wherever a layer takes a boolean, in wrappers and cells too."""
    lay = k.layers
    words = k.Input((5,), dtype="int32", name="words")
    x = lay.Embedding(6, 4, mask_zero=1)(words)
    y = lay.LSTM(3, return_sequences=1, use_bias=0, unroll=None, go_backwards=0.0, unit_forget_bias=0)(x)
    y = lay.Bidirectional(lay.GRU(3, return_sequences=1, reset_after=0, use_bias=1), merge_mode="sum")(y)
    y, state = lay.SimpleRNN(3, return_sequences=1, return_state=1, go_backwards=1, unroll=1)(y)
    y = lay.TimeDistributed(lay.Dense(4, use_bias=0))(y)
    y = lay.RNN([lay.LSTMCell(3, unit_forget_bias=0, use_bias=1), lay.GRUCell(2, reset_after=1)], return_sequences=1)(y)
    y = lay.Conv1D(3, 2, use_bias=0)(y)
    y = lay.SeparableConv1D(3, 2, use_bias=0)(y)
    y = lay.BatchNormalization(center=0, scale=1)(y)
    y = lay.LayerNormalization(center=1, scale=0)(y)
    y = lay.GroupNormalization(1, center=0, scale=0)(y)
    y = lay.Normalization(mean=0.5, variance=2.0, invert=1)(y)
    y = lay.MultiHeadAttention(2, 2, use_bias=0)(y, y)
    y = lay.Attention(use_scale=1)([y, y])
    z = lay.Dot(axes=2, normalize=1)([y, y])
    return k.Model(words, [z, lay.GlobalMaxPooling1D(keepdims=1)(y), lay.GlobalAveragePooling1D(keepdims=0)(y), state])


def ones_in_calls(k: ModuleType) -> Any:
    """1 and 0 in calls, and in functions between the layers."""
    lay = k.layers
    x = k.Input((5, 4), name="x")
    y = lay.Dropout(0.5)(x, training=0)
    y, scores = lay.MultiHeadAttention(2, 3)(y, x, use_causal_mask=1, return_attention_scores=1)
    z = lay.MultiHeadAttention(2, 3)(y, x, use_causal_mask=0, return_attention_scores=0)
    if k.__name__ == "keras":
        return k.Model(x, [scores, k.ops.mean(z, axis=1, keepdims=1), k.ops.max(z, axis=-1, keepdims=0)])
    import tensorflow as tf

    return k.Model(x, [scores, tf.reduce_mean(z, axis=1, keepdims=1), tf.reduce_max(z, axis=-1, keepdims=0)])


def stacked(k: ModuleType) -> Any:
    """Masks through all that the development version after 3.15 lets none through."""
    lay = k.layers
    words = k.Input((6,), dtype="int32")
    x = lay.Embedding(5, 4, mask_zero=True)(words)
    x = lay.RNN(lay.GRUCell(3), return_sequences=True)(x)
    x = lay.Bidirectional(lay.LSTM(3, return_sequences=True))(x)
    x = lay.TimeDistributed(lay.Dense(4))(x)
    return k.Model(words, lay.LSTM(4)(x))


def ones_stateful(k: ModuleType) -> Any:
    """A layer that keeps its states, in a Sequential."""
    lay = k.layers
    first = (
        k.layers.InputLayer(batch_shape=(3, 5, 4)) if k.__name__ == "keras" else lay.InputLayer((5, 4), batch_size=3)
    )
    return k.Sequential([first, lay.GRU(3, stateful=1, return_sequences=1, use_bias=0), lay.LSTM(2, stateful=0)])
