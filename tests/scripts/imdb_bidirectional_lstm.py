"""Whether a review is kind, read from both ends.

After "imdb_bidirectional_lstm" of Keras 2's examples, on 18 made-up reviews. It keeps these calls of Keras:
preprocessing.sequence.pad_sequences(maxlen), Sequential, add, Embedding(input_length), Bidirectional(LSTM), Dropout,
Dense, compile('adam', loss, metrics=[...]) by position, fit(validation_data=[x, y]).
"""

import numpy as np
from keras.layers import LSTM, Bidirectional, Dense, Dropout, Embedding
from keras.models import Sequential
from keras.preprocessing import sequence

max_features, maxlen, batch_size = 30, 9, 4
RATE = 0.0  # of the dropout, 0.5 in the original: the numbers of two Kerases are compared
rng = np.random.default_rng(4)
reviews = [rng.integers(1, max_features, size=rng.integers(4, 15)).tolist() for _ in range(18)]
x = sequence.pad_sequences(reviews, maxlen=maxlen)
y = np.array(rng.integers(0, 2, size=18))
x_train, x_test, y_train, y_test = x[:12], x[12:], y[:12], y[12:]

model = Sequential()
model.add(Embedding(max_features, 6, input_length=maxlen))
model.add(Bidirectional(LSTM(5)))
model.add(Dropout(RATE))
model.add(Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=batch_size, epochs=2, validation_data=(x_test, y_test))
RESULT = model.predict(x_test)
