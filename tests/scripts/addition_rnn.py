"""Sums, written with digits, learned as sequences of characters.

After "Sequence to sequence learning for performing number addition" of Keras's examples, on 60 sums of one digit. It
keeps these calls of Keras: Sequential, add, layers.LSTM(units, input_shape), layers.RepeatVector,
LSTM(return_sequences), layers.Dense(activation), compile(loss, optimizer, metrics), summary, fit(epochs=1,
validation_data) in a loop, predict.
"""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(5)
chars = sorted(set("0123456789+ "))
index = {char: at for at, char in enumerate(chars)}
MAXLEN, DIGITS = 3, 2


def encode(texts, length):
    data = np.zeros((len(texts), length, len(chars)), dtype=bool)
    for row, text in enumerate(texts):
        for step, char in enumerate(text.ljust(length)):
            data[row, step, index[char]] = True
    return data


numbers = rng.integers(0, 10, size=(60, 2))
x = encode([f"{a}+{b}"[::-1] for a, b in numbers], MAXLEN)
y = encode([str(a + b) for a, b in numbers], DIGITS)
x_train, x_val, y_train, y_val = x[:54], x[54:], y[:54], y[54:]

model = keras.Sequential()
model.add(layers.LSTM(8, input_shape=(MAXLEN, len(chars))))
model.add(layers.RepeatVector(DIGITS))
model.add(layers.LSTM(8, return_sequences=True))
model.add(layers.Dense(len(chars), activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()

for epoch in range(1, 3):
    print("Iteration", epoch)
    model.fit(x_train, y_train, batch_size=16, epochs=1, validation_data=(x_val, y_val))
    for row in range(2):
        rowx = x_val[np.array([row])]
        preds = np.argmax(model.predict(rowx, verbose=0), axis=-1)
        print("".join(chars[at] for at in preds[0]))
RESULT = model.predict(x_val, verbose=0)
