"""A word that answers a question about a story, both read by LSTMs.

After "babi_rnn" of Keras 2's examples, on 20 stories of numbers. It keeps these calls of Keras: layers.Input(shape,
dtype), layers.Embedding, layers.Dropout, layers.LSTM, layers.RepeatVector, layers.add, layers.Dense, Model of two
inputs, preprocessing.sequence.pad_sequences(maxlen), compile, fit(validation_split), evaluate(batch_size).
"""

import numpy as np
from keras import layers
from keras.models import Model
from keras.preprocessing.sequence import pad_sequences

RNN = layers.LSTM
RATE = 0.0  # of the dropouts, 0.3 in the original: the numbers of two Kerases are compared
vocab_size, story_maxlen, query_maxlen = 12, 8, 3
rng = np.random.default_rng(0)
stories = [rng.integers(1, vocab_size, size=rng.integers(3, 9)).tolist() for _ in range(20)]
queries = [rng.integers(1, vocab_size, size=rng.integers(1, 4)).tolist() for _ in range(20)]
x = pad_sequences(stories, maxlen=story_maxlen)
xq = pad_sequences(queries, maxlen=query_maxlen)
y = np.eye(vocab_size)[rng.integers(0, vocab_size, size=20)]

sentence = layers.Input(shape=(story_maxlen,), dtype="int32")
encoded_sentence = layers.Embedding(vocab_size, 5)(sentence)
encoded_sentence = layers.Dropout(RATE)(encoded_sentence)
question = layers.Input(shape=(query_maxlen,), dtype="int32")
encoded_question = layers.Embedding(vocab_size, 5)(question)
encoded_question = layers.Dropout(RATE)(encoded_question)
encoded_question = RNN(5)(encoded_question)
encoded_question = layers.RepeatVector(story_maxlen)(encoded_question)
merged = layers.add([encoded_sentence, encoded_question])
merged = RNN(5)(merged)
merged = layers.Dropout(RATE)(merged)
preds = layers.Dense(vocab_size, activation="softmax")(merged)

model = Model([sentence, question], preds)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit([x, xq], y, batch_size=6, epochs=2, validation_split=0.1)
loss, acc = model.evaluate([x, xq], y, batch_size=6)
print(f"Test loss / test accuracy = {loss:.4f} / {acc:.4f}")
RESULT = np.append(model.predict([x[:3], xq[:3]]).ravel(), loss)
