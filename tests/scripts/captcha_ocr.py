"""Letters read from images, by convolutions, two LSTMs and a layer that computes the CTC loss.

After "OCR model for reading Captchas" of Keras's examples, on 8 images of noise. It keeps these calls of Keras:
layers.StringLookup(vocabulary, mask_token, invert), get_vocabulary, layers.Layer with add_loss, ops.cast, ops.shape,
ops.ones, ops.ctc_loss, ops.squeeze, ops.expand_dims, layers.Input(name, shape, dtype), Conv2D(kernel_initializer),
MaxPooling2D, Reshape, Dense, Dropout, Bidirectional(LSTM(return_sequences, dropout)), models.Model with two inputs,
optimizers.Adam, compile(optimizer), summary, callbacks.EarlyStopping(restore_best_weights), fit of dicts,
get_layer(name), predict, ops.ctc_decode.
"""

import keras
import numpy as np
from keras import layers, ops

img_width, img_height, max_length = 24, 8, 2
RATE = 0.0  # of the dropouts, 0.2 and 0.25 in the original: the numbers of two Kerases are compared
labels = [["a", "b"], ["c", "a"], ["b", "c"], ["c", "b"]] * 2
characters = sorted({char for label in labels for char in label})
char_to_num = layers.StringLookup(vocabulary=list(characters), mask_token=None)
num_to_char = layers.StringLookup(vocabulary=char_to_num.get_vocabulary(), mask_token=None, invert=True)
rng = np.random.default_rng(0)
images = rng.uniform(size=(8, img_width, img_height, 1)).astype("float32")
numbers = np.asarray(char_to_num(np.array(labels))).astype("float32")


def ctc_batch_cost(y_true, y_pred, input_length, label_length):
    label_length = ops.cast(ops.squeeze(label_length, axis=-1), dtype="int32")
    input_length = ops.cast(ops.squeeze(input_length, axis=-1), dtype="int32")
    return ops.expand_dims(ops.ctc_loss(ops.cast(y_true, "int32"), y_pred, label_length, input_length), 1)


class CTCLayer(layers.Layer):
    def __init__(self, name=None):
        super().__init__(name=name)
        self.loss_fn = ctc_batch_cost

    def call(self, y_true, y_pred):
        batch_len = ops.cast(ops.shape(y_true)[0], dtype="int64")
        input_length = ops.cast(ops.shape(y_pred)[1], dtype="int64")
        label_length = ops.cast(ops.shape(y_true)[1], dtype="int64")
        input_length = input_length * ops.ones(shape=(batch_len, 1), dtype="int64")
        label_length = label_length * ops.ones(shape=(batch_len, 1), dtype="int64")
        loss = self.loss_fn(y_true, y_pred, input_length, label_length)
        self.add_loss(ops.mean(loss))
        return y_pred


def build_model():
    input_img = layers.Input(shape=(img_width, img_height, 1), name="image", dtype="float32")
    label = layers.Input(name="label", shape=(None,), dtype="float32")
    convolve = {"activation": "relu", "kernel_initializer": "he_normal", "padding": "same"}
    x = layers.Conv2D(3, (3, 3), **convolve, name="Conv1")(input_img)
    x = layers.MaxPooling2D((2, 2), name="pool1")(x)
    x = layers.Conv2D(4, (3, 3), **convolve, name="Conv2")(x)
    x = layers.MaxPooling2D((2, 2), name="pool2")(x)
    x = layers.Reshape(target_shape=(img_width // 4, (img_height // 4) * 4), name="reshape")(x)
    x = layers.Dense(6, activation="relu", name="dense1")(x)
    x = layers.Dropout(RATE)(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True, dropout=RATE))(x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=RATE))(x)
    x = layers.Dense(len(char_to_num.get_vocabulary()) + 1, activation="softmax", name="dense2")(x)
    output = CTCLayer(name="ctc_loss")(label, x)
    made = keras.models.Model(inputs=[input_img, label], outputs=output, name="ocr_model_v1")
    made.compile(optimizer=keras.optimizers.Adam())
    return made


model = build_model()
model.summary()
early_stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=10, restore_best_weights=True)
data = {"image": images, "label": numbers}
model.fit(data, validation_data=(data, None), batch_size=4, epochs=2, callbacks=[early_stopping])

prediction_model = keras.models.Model(model.input[0], model.get_layer(name="dense2").output)
prediction_model.summary()
preds = prediction_model.predict(images[:3])
lengths = np.ones(preds.shape[0], "int32") * preds.shape[1]
results = ops.ctc_decode(preds, sequence_lengths=lengths, strategy="greedy")[0][0][:, :max_length]
for result in results:
    print(num_to_char(ops.maximum(result, 0)))
RESULT = preds
