"""A moving average learned by an LSTM that keeps its states, and by one that does not.

After "lstm_stateful" of Keras 2's examples, on 24 points. It keeps these calls of Keras: Sequential, add, LSTM(units,
input_shape, batch_size, stateful), Dense, compile, fit(batch_size, epochs=1, verbose, validation_data, shuffle=False)
in a loop, reset_states of the model, predict(batch_size).
"""

import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential

lahead, batch_size, tsteps = 1, 1, 2
rng = np.random.default_rng(1)
data_input = rng.uniform(-0.1, 0.1, size=25).astype("float32")
expected_output = (data_input[1:] + data_input[:-1]) / 2
x = data_input[1:].reshape(-1, lahead, 1)
y = expected_output.reshape(-1, 1)
x_train, x_test, y_train, y_test = x[:18], x[18:], y[:18], y[18:]


def create_model(stateful):
    model = Sequential()
    model.add(LSTM(4, input_shape=(lahead, 1), batch_size=batch_size, stateful=stateful))
    model.add(Dense(1))
    model.compile(loss="mse", optimizer="adam")
    return model


model_stateful = create_model(stateful=True)
for i in range(2):
    print("Epoch", i + 1)
    model_stateful.fit(
        x_train, y_train, batch_size=batch_size, epochs=1, verbose=1, validation_data=(x_test, y_test), shuffle=False
    )
    model_stateful.reset_states()
predicted_stateful = model_stateful.predict(x_test, batch_size=batch_size)

model_stateless = create_model(stateful=False)
model_stateless.fit(
    x_train, y_train, batch_size=batch_size, epochs=2, verbose=1, validation_data=(x_test, y_test), shuffle=False
)
predicted_stateless = model_stateless.predict(x_test, batch_size=batch_size)
RESULT = np.concatenate([predicted_stateful, predicted_stateless])
