"""A word that answers a question about a story, found in a memory.

After "babi_memnn" of Keras 2's examples (Sukhbaatar and others, 2015), on 20 stories of numbers. It keeps these calls
of Keras: Input((length,)), Sequential, add, Embedding(input_dim, output_dim, input_length), Dropout, a Sequential
called on an Input, dot(axes), add, concatenate, Activation, Permute, LSTM, Dense, Model of two inputs, compile,
fit(validation_data).
"""

import numpy as np
from keras.layers import LSTM, Activation, Dense, Dropout, Embedding, Input, Permute, add, concatenate, dot
from keras.models import Model, Sequential

RATE = 0.0  # of the dropouts, 0.3 in the original: the numbers of two Kerases are compared
vocab_size, story_maxlen, query_maxlen = 12, 7, 3
rng = np.random.default_rng(0)
stories = rng.integers(0, vocab_size, size=(20, story_maxlen))
queries = rng.integers(0, vocab_size, size=(20, query_maxlen))
answers = np.eye(vocab_size)[rng.integers(0, vocab_size, size=20)]

input_sequence = Input((story_maxlen,))
question = Input((query_maxlen,))
input_encoder_m = Sequential()
input_encoder_m.add(Embedding(input_dim=vocab_size, output_dim=6))
input_encoder_m.add(Dropout(RATE))
input_encoder_c = Sequential()
input_encoder_c.add(Embedding(input_dim=vocab_size, output_dim=query_maxlen))
input_encoder_c.add(Dropout(RATE))
question_encoder = Sequential()
question_encoder.add(Embedding(input_dim=vocab_size, output_dim=6, input_length=query_maxlen))
question_encoder.add(Dropout(RATE))

input_encoded_m = input_encoder_m(input_sequence)
input_encoded_c = input_encoder_c(input_sequence)
question_encoded = question_encoder(question)
match = dot([input_encoded_m, question_encoded], axes=(2, 2))
match = Activation("softmax")(match)
response = add([match, input_encoded_c])
response = Permute((2, 1))(response)
answer = concatenate([response, question_encoded])
answer = LSTM(5)(answer)
answer = Dropout(RATE)(answer)
answer = Dense(vocab_size)(answer)
answer = Activation("softmax")(answer)

model = Model([input_sequence, question], answer)
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(
    [stories, queries], answers, batch_size=6, epochs=2, validation_data=([stories[:5], queries[:5]], answers[:5])
)
RESULT = model.predict([stories[:4], queries[:4]])
