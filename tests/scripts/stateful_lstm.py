"""A wave of falling height, followed by two LSTMs that keep their states from batch to batch.

After "stateful_lstm" of Keras 2's examples, on 20 steps. It keeps these calls of Keras: Sequential, add,
LSTM(units, input_shape, batch_size, return_sequences, stateful), Dense, compile(loss, optimizer), fit(shuffle=False,
epochs=1) in a loop, reset_states, predict(batch_size).
"""

import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential

tsteps, batch_size, epochs, lahead = 1, 5, 2, 1


def gen_cosine_amp(amp=10, period=7, xn=20, k=0.01):
    idx = np.arange(xn)
    return (amp * np.cos(2 * np.pi * idx / period) * np.exp(-k * idx)).reshape(xn, 1, 1)


cos = gen_cosine_amp()
expected_output = np.zeros((len(cos), 1))
for i in range(len(cos) - lahead):
    expected_output[i, 0] = np.mean(cos[i + 1 : i + lahead + 1])

model = Sequential()
model.add(LSTM(6, input_shape=(tsteps, 1), batch_size=batch_size, return_sequences=True, stateful=True))
model.add(LSTM(5, return_sequences=False, stateful=True))
model.add(Dense(1))
model.compile(loss="mse", optimizer="rmsprop")
for i in range(epochs):
    print("Epoch", i, "/", epochs)
    model.fit(cos, expected_output, batch_size=batch_size, epochs=1, verbose=1, shuffle=False)
    model.reset_states()
RESULT = model.predict(cos, batch_size=batch_size)
