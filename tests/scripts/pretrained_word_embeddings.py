"""Texts told apart by convolutions over vectors of words that are given, from the text to the class in one model.

After "Using pre-trained word embeddings" of Keras's examples, on 12 sentences. It keeps these calls of Keras:
layers.TextVectorization(max_tokens, output_sequence_length), adapt, get_vocabulary, layers.Embedding(trainable=False),
build, set_weights, Input(dtype="int32"), layers.Conv1D, layers.MaxPooling1D, layers.GlobalMaxPooling1D, layers.Dense,
layers.Dropout, Model, summary, compile, fit(validation_data), Input(dtype="string"), a model on a vectorizer's output.
"""

import keras
import numpy as np
from keras import layers
from keras.layers import TextVectorization

RATE = 0.0  # of the dropout, 0.5 in the original: the numbers of two Kerases are compared
samples = ["The cat sat on the mat.", "My dog ate my homework!", "Fast cats run.", "A dog and a cat"] * 3
labels = [0, 1, 0, 1] * 3
vectorizer = TextVectorization(max_tokens=30, output_sequence_length=12)
vectorizer.adapt(samples)
voc = vectorizer.get_vocabulary()
word_index = dict(zip(voc, range(len(voc)), strict=True))
rng = np.random.default_rng(1)
num_tokens, embedding_dim = len(voc) + 2, 5
embedding_matrix = np.zeros((num_tokens, embedding_dim))
for i in sorted(word_index.values()):
    embedding_matrix[i] = rng.normal(size=embedding_dim)

embedding_layer = layers.Embedding(num_tokens, embedding_dim, trainable=False)
embedding_layer.build((1,))
embedding_layer.set_weights([embedding_matrix])

int_sequences_input = keras.Input(shape=(None,), dtype="int32")
embedded_sequences = embedding_layer(int_sequences_input)
x = layers.Conv1D(4, 3, activation="relu")(embedded_sequences)
x = layers.MaxPooling1D(2)(x)
x = layers.Conv1D(4, 2, activation="relu")(x)
x = layers.GlobalMaxPooling1D()(x)
x = layers.Dense(4, activation="relu")(x)
x = layers.Dropout(RATE)(x)
preds = layers.Dense(2, activation="softmax")(x)
model = keras.Model(int_sequences_input, preds)
model.summary()

x_train = vectorizer(np.array([[s] for s in samples])).numpy()
y_train = np.array(labels)
model.compile(loss="sparse_categorical_crossentropy", optimizer="rmsprop", metrics=["acc"])
model.fit(x_train, y_train, batch_size=4, epochs=2, validation_data=(x_train[:4], y_train[:4]))

string_input = keras.Input(shape=(1,), dtype="string")
x = vectorizer(string_input)
preds = model(x)
end_to_end_model = keras.Model(string_input, preds)
probabilities = end_to_end_model(keras.ops.convert_to_tensor([["the homework of a cat"], ["dogs"]]))
RESULT = keras.ops.convert_to_numpy(probabilities)
