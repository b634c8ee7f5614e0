"""Whether a review is kind, by a convolution, pooling and an LSTM.

After "imdb_cnn_lstm" of Keras 2's examples, on 20 made-up reviews. It keeps these calls of Keras:
preprocessing.sequence.pad_sequences(maxlen), Sequential, add, Embedding, Dropout, Conv1D(filters, kernel_size,
padding, activation, strides), MaxPooling1D(pool_size), LSTM, Dense, Activation, compile, fit, evaluate(batch_size).
"""

import numpy as np
from keras.layers import LSTM, Activation, Conv1D, Dense, Dropout, Embedding, MaxPooling1D
from keras.models import Sequential
from keras.preprocessing import sequence

max_features, maxlen, embedding_size = 30, 16, 6
kernel_size, filters, pool_size = 5, 4, 4
lstm_output_size, batch_size, epochs = 5, 6, 2
RATE = 0.0  # of the dropout, 0.25 in the original: the numbers of two Kerases are compared

rng = np.random.default_rng(2)
reviews = [rng.integers(1, max_features, size=rng.integers(5, 25)).tolist() for _ in range(20)]
kind = rng.integers(0, 2, size=20)
x_train, x_test, y_train, y_test = reviews[:14], reviews[14:], kind[:14], kind[14:]
x_train = sequence.pad_sequences(x_train, maxlen=maxlen)
x_test = sequence.pad_sequences(x_test, maxlen=maxlen)

model = Sequential()
model.add(Embedding(max_features, embedding_size))
model.add(Dropout(RATE))
model.add(Conv1D(filters, kernel_size, padding="valid", activation="relu", strides=1))
model.add(MaxPooling1D(pool_size=pool_size))
model.add(LSTM(lstm_output_size))
model.add(Dense(1))
model.add(Activation("sigmoid"))
model.build((None, maxlen))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, validation_data=(x_test, y_test))
score, acc = model.evaluate(x_test, y_test, batch_size=batch_size)
print("Test score:", score)
print("Test accuracy:", acc)
RESULT = np.array([score])
