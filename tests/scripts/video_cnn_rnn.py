"""What is done in a film, from features of its pictures.

After "Video Classification with a CNN-RNN Architecture" of Keras's examples, on 8 films whose features are given. It
keeps these calls of Keras: layers.StringLookup(num_oov_indices=0, vocabulary, mask_token), get_vocabulary,
Input(dtype="bool"), layers.GRU(return_sequences)(x, mask=mask), layers.GRU, layers.Dropout, layers.Dense, Model of two
inputs, compile, callbacks.ModelCheckpoint(save_weights_only, save_best_only) in a folder that is not there yet,
fit(validation_split), load_weights, evaluate, predict.
"""

import keras
import numpy as np

MAX_SEQ_LENGTH, NUM_FEATURES = 5, 4
RATE = 0.0  # of the dropout, 0.4 in the original: the numbers of two Kerases are compared
tags = np.array(["run", "jump", "sit", "run", "jump", "sit", "run", "jump"])
label_processor = keras.layers.StringLookup(num_oov_indices=0, vocabulary=np.unique(tags), mask_token=None)
print(label_processor.get_vocabulary())
labels = np.asarray(label_processor(tags[..., None]))
rng = np.random.default_rng(0)
frame_features = rng.normal(size=(8, MAX_SEQ_LENGTH, NUM_FEATURES)).astype("float32")
frame_masks = np.arange(MAX_SEQ_LENGTH) < rng.integers(1, MAX_SEQ_LENGTH + 1, size=(8, 1))


def get_sequence_model():
    class_vocab = label_processor.get_vocabulary()
    frame_features_input = keras.Input((MAX_SEQ_LENGTH, NUM_FEATURES))
    mask_input = keras.Input((MAX_SEQ_LENGTH,), dtype="bool")
    x = keras.layers.GRU(6, return_sequences=True)(frame_features_input, mask=mask_input)
    x = keras.layers.GRU(5)(x)
    x = keras.layers.Dropout(RATE)(x)
    x = keras.layers.Dense(4, activation="relu")(x)
    output = keras.layers.Dense(len(class_vocab), activation="softmax")(x)
    rnn_model = keras.Model([frame_features_input, mask_input], output)
    rnn_model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return rnn_model


filepath = "video_classifier/ckpt.weights.h5"
checkpoint = keras.callbacks.ModelCheckpoint(filepath, save_weights_only=True, save_best_only=True, verbose=1)
seq_model = get_sequence_model()
seq_model.fit(
    [frame_features, frame_masks], labels, batch_size=3, validation_split=0.3, epochs=2, callbacks=[checkpoint]
)
seq_model.load_weights(filepath)
_, accuracy = seq_model.evaluate([frame_features, frame_masks], labels)
print(f"Test accuracy: {round(accuracy * 100, 2)}%")
RESULT = seq_model.predict([frame_features[:2], frame_masks[:2]])
