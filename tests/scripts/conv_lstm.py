"""The next picture of a film.

After "Next-Frame Video Prediction with Convolutional LSTMs" of Keras's examples, on 6 films of a moving square. It
keeps these calls of Keras: layers.Input(shape=(None, ...)), layers.ConvLSTM2D(filters, kernel_size, padding,
return_sequences, activation), layers.BatchNormalization, layers.Conv3D, models.Model, losses.binary_crossentropy,
optimizers.Adam, callbacks.EarlyStopping(monitor, patience), callbacks.ReduceLROnPlateau(monitor, patience), compile,
fit(validation_data, callbacks), predict.
"""

import keras
import numpy as np
from keras import layers

frames, size = 5, 8
films = np.zeros((6, frames, size, size, 1), dtype="float32")
for film in range(6):
    for frame in range(frames):
        films[film, frame, (film + frame) % 6 : (film + frame) % 6 + 2, film % 4 : film % 4 + 3] = 1.0
x_train, y_train = films[:4, :-1], films[:4, 1:]
x_val, y_val = films[4:, :-1], films[4:, 1:]

inp = layers.Input(shape=(None, *x_train.shape[2:]))
x = layers.ConvLSTM2D(filters=3, kernel_size=(5, 5), padding="same", return_sequences=True, activation="relu")(inp)
x = layers.BatchNormalization()(x)
x = layers.ConvLSTM2D(filters=2, kernel_size=(3, 3), padding="same", return_sequences=True, activation="relu")(x)
x = layers.BatchNormalization()(x)
x = layers.ConvLSTM2D(filters=2, kernel_size=(1, 1), padding="same", return_sequences=True, activation="relu")(x)
x = layers.Conv3D(filters=1, kernel_size=(3, 3, 3), activation="sigmoid", padding="same")(x)
model = keras.models.Model(inp, x)
model.compile(loss=keras.losses.binary_crossentropy, optimizer=keras.optimizers.Adam())

early_stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=10)
reduce_lr = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=5)
model.fit(
    x_train, y_train, batch_size=2, epochs=2, validation_data=(x_val, y_val), callbacks=[early_stopping, reduce_lr]
)

example = x_val[0]
for _ in range(2):
    new_prediction = model.predict(np.expand_dims(example, axis=0))
    example = np.concatenate((example, np.squeeze(new_prediction, axis=0)[-1:]), axis=0)
RESULT = example[-2:]
