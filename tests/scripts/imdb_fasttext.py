"""Whether a review is kind, from its words and pairs of words without their order.

After "imdb_fasttext" of Keras 2's examples (Joulin and others, 2016), on 18 made-up reviews. It keeps these calls of
Keras: preprocessing.sequence.pad_sequences(maxlen), Sequential, add, Embedding(input_length), GlobalAveragePooling1D,
Dense, compile, fit(validation_data).
"""

from itertools import pairwise

import numpy as np
from keras.layers import Dense, Embedding, GlobalAveragePooling1D
from keras.models import Sequential
from keras.preprocessing import sequence

max_features, maxlen, embedding_dims = 12, 14, 5
rng = np.random.default_rng(4)
reviews = [rng.integers(1, max_features, size=rng.integers(4, 9)).tolist() for _ in range(18)]
y = np.array(rng.integers(0, 2, size=18))
pairs = {pair for review in reviews[:12] for pair in pairwise(review)}
token_indice = {pair: at + max_features for at, pair in enumerate(sorted(pairs))}


def add_ngram(sequences, indices):
    return [review + [indices[pair] for pair in pairwise(review) if pair in indices] for review in sequences]


x = sequence.pad_sequences(add_ngram(reviews, token_indice), maxlen=maxlen)
x_train, x_test, y_train, y_test = x[:12], x[12:], y[:12], y[12:]
model = Sequential()
model.add(Embedding(max_features + len(token_indice), embedding_dims, input_length=maxlen))
model.add(GlobalAveragePooling1D())
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=4, epochs=3, validation_data=(x_test, y_test))
RESULT = model.predict(x_test)
