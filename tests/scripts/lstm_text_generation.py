"""The next character of a text, from the characters before it.

After "Character-level text generation with LSTM" of Keras's examples, on one sentence. It keeps these calls of Keras:
Sequential, Input(shape), layers.LSTM(units), layers.Dense(activation), optimizers.RMSprop(learning_rate),
compile(loss, optimizer), fit(epochs=1) in a loop, predict(verbose=0)[0] of one row.
"""

import keras
import numpy as np
from keras import layers

text = "the quick brown fox jumps over the lazy dog and then the dog sleeps. "
chars = sorted(set(text))
char_indices = {c: i for i, c in enumerate(chars)}
maxlen, step = 10, 3
starts = range(0, len(text) - maxlen, step)
x = np.zeros((len(starts), maxlen, len(chars)), dtype="bool")
y = np.zeros((len(starts), len(chars)), dtype="bool")
for i, start in enumerate(starts):
    for t, char in enumerate(text[start : start + maxlen]):
        x[i, t, char_indices[char]] = 1
    y[i, char_indices[text[start + maxlen]]] = 1

model = keras.Sequential(
    [
        keras.Input(shape=(maxlen, len(chars))),
        layers.LSTM(8),
        layers.Dense(len(chars), activation="softmax"),
    ]
)
optimizer = keras.optimizers.RMSprop(learning_rate=0.01)
model.compile(loss="categorical_crossentropy", optimizer=optimizer)


def sample(preds, temperature=1.0):
    preds = np.exp(np.log(np.asarray(preds).astype("float64")) / temperature)
    return int(np.argmax(preds / np.sum(preds)))  # the likeliest one, where the original draws


for _ in range(2):
    model.fit(x, y, batch_size=8, epochs=1)
    for diversity in [0.5, 1.2]:
        sentence = text[4 : 4 + maxlen]
        for _step in range(3):
            x_pred = np.zeros((1, maxlen, len(chars)))
            for t, char in enumerate(sentence):
                x_pred[0, t, char_indices[char]] = 1.0
            preds = model.predict(x_pred, verbose=0)[0]
            sentence = sentence[1:] + chars[sample(preds, diversity)]
RESULT = model.predict(x[:4], verbose=0)
