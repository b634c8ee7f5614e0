"""An LSTM over the rows of an image, and another over what it says of each row.

After "mnist_hierarchical_rnn" of Keras 2's examples, on 12 made-up images. It keeps these calls of Keras:
utils.to_categorical, Input, TimeDistributed(LSTM), LSTM, Dense, Model(inputs, outputs), compile, fit,
evaluate(verbose=0).
"""

import numpy as np
from keras.layers import LSTM, Dense, Input, TimeDistributed
from keras.models import Model
from keras.utils import to_categorical

batch_size, num_classes, epochs, row_hidden, col_hidden = 4, 10, 2, 5, 4
rng = np.random.default_rng(0)
x_all = rng.uniform(size=(12, 6, 5, 1)).astype("float32")
y_all = to_categorical(rng.integers(0, num_classes, size=12), num_classes)
x_train, x_test, y_train, y_test = x_all[:8], x_all[8:], y_all[:8], y_all[8:]
row, col, pixel = x_train.shape[1:]

x = Input(shape=(row, col, pixel))
encoded_rows = TimeDistributed(LSTM(row_hidden))(x)
encoded_columns = LSTM(col_hidden)(encoded_rows)
prediction = Dense(num_classes, activation="softmax")(encoded_columns)
model = Model(x, prediction)
model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, verbose=1, validation_data=(x_test, y_test))
scores = model.evaluate(x_test, y_test, verbose=0)
print("Test loss:", scores[0])
print("Test accuracy:", scores[1])
RESULT = np.array([scores[0]])
