"""Characters to characters, with a decoder that starts from the encoder's states.

After "Character-level recurrent sequence-to-sequence model" of Keras's examples, on eight made-up words. It keeps
these calls of Keras: Input, layers.LSTM(return_state, return_sequences), a layer called with initial_state,
layers.Dense, Model, compile, fit(batch_size, epochs, validation_split), save, models.load_model, model.input,
model.layers[i].output, Model of parts of the loaded one, predict(verbose=0).
"""

import keras
import numpy as np

batch_size = 4
epochs = 2
latent_dim = 6

words = "one-un two-deux six-six ten-dix red-rouge sea-mer sun-soleil dog-chien"
pairs = [word.split("-") for word in words.split()]
input_texts = [source for source, _ in pairs]
target_texts = ["\t" + target + "\n" for _, target in pairs]
input_characters = sorted({char for text in input_texts for char in text} | {" "})
target_characters = sorted({char for text in target_texts for char in text} | {" "})
input_index = {char: at for at, char in enumerate(input_characters)}
target_index = {char: at for at, char in enumerate(target_characters)}
longest_input = max(map(len, input_texts))
longest_target = max(map(len, target_texts))


def one_hot(texts, index, length, shift=0):
    data = np.zeros((len(texts), length, len(index)), dtype="float32")
    for row, text in enumerate(texts):
        for step in range(length):
            char = text[step + shift] if step + shift < len(text) else " "
            data[row, step, index[char]] = 1.0
    return data


encoder_input_data = one_hot(input_texts, input_index, longest_input)
decoder_input_data = one_hot(target_texts, target_index, longest_target)
decoder_target_data = one_hot(target_texts, target_index, longest_target, shift=1)

encoder_inputs = keras.Input(shape=(None, len(input_index)))
encoder = keras.layers.LSTM(latent_dim, return_state=True)
encoder_outputs, state_h, state_c = encoder(encoder_inputs)
encoder_states = [state_h, state_c]
decoder_inputs = keras.Input(shape=(None, len(target_index)))
decoder_lstm = keras.layers.LSTM(latent_dim, return_sequences=True, return_state=True)
decoder_outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=encoder_states)
decoder_dense = keras.layers.Dense(len(target_index), activation="softmax")
decoder_outputs = decoder_dense(decoder_outputs)
model = keras.Model([encoder_inputs, decoder_inputs], decoder_outputs)

model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(
    [encoder_input_data, decoder_input_data],
    decoder_target_data,
    batch_size=batch_size,
    epochs=epochs,
    validation_split=0.25,
)
model.save("s2s_model.keras")

model = keras.models.load_model("s2s_model.keras")
encoder_inputs = model.input[0]
encoder_outputs, state_h_enc, state_c_enc = model.layers[2].output
encoder_model = keras.Model(encoder_inputs, [state_h_enc, state_c_enc])
decoder_inputs = model.input[1]
decoder_state_input_h = keras.Input(shape=(latent_dim,))
decoder_state_input_c = keras.Input(shape=(latent_dim,))
decoder_states_inputs = [decoder_state_input_h, decoder_state_input_c]
decoder_lstm = model.layers[3]
decoder_outputs, state_h_dec, state_c_dec = decoder_lstm(decoder_inputs, initial_state=decoder_states_inputs)
decoder_states = [state_h_dec, state_c_dec]
decoder_dense = model.layers[4]
decoder_outputs = decoder_dense(decoder_outputs)
decoder_model = keras.Model([decoder_inputs] + decoder_states_inputs, [decoder_outputs] + decoder_states)

probabilities = []


def decode_sequence(input_seq):
    states_value = encoder_model.predict(input_seq, verbose=0)
    target_seq = np.zeros((1, 1, len(target_index)))
    target_seq[0, 0, target_index["\t"]] = 1.0
    decoded = ""
    while len(decoded) < longest_target and not decoded.endswith("\n"):
        output_tokens, h, c = decoder_model.predict([target_seq] + states_value, verbose=0)
        probabilities.append(output_tokens[0, -1])
        sampled = int(np.argmax(output_tokens[0, -1, :]))
        decoded += target_characters[sampled]
        target_seq = np.zeros((1, 1, len(target_index)))
        target_seq[0, 0, sampled] = 1.0
        states_value = [h, c]
    return decoded


for seq_index in range(3):
    print("-", input_texts[seq_index], repr(decode_sequence(encoder_input_data[seq_index : seq_index + 1])))
RESULT = np.stack(probabilities)
