"""Windows of a series that an autoencoder of convolutions cannot give back.

After "Timeseries anomaly detection using an Autoencoder" of Keras's examples, on 12 windows. It keeps these calls of
Keras: Sequential, layers.Input(shape), layers.Conv1D(filters, kernel_size, padding, strides, activation),
layers.Dropout(rate), layers.Conv1DTranspose, optimizers.Adam(learning_rate), compile, summary, fit(validation_split,
callbacks=[EarlyStopping(monitor, patience, mode)]), predict.
"""

import keras
import numpy as np
from keras import layers

RATE = 0.0  # of the dropouts, 0.2 in the original: the numbers of two Kerases are compared
rng = np.random.default_rng(0)
x_train = np.sin(np.arange(16)[None, :, None] / 3 + rng.uniform(0, 6, size=(12, 1, 1)))

model = keras.Sequential(
    [
        layers.Input(shape=(x_train.shape[1], x_train.shape[2])),
        layers.Conv1D(filters=4, kernel_size=7, padding="same", strides=2, activation="relu"),
        layers.Dropout(rate=RATE),
        layers.Conv1D(filters=3, kernel_size=7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(filters=3, kernel_size=7, padding="same", strides=2, activation="relu"),
        layers.Dropout(rate=RATE),
        layers.Conv1DTranspose(filters=4, kernel_size=7, padding="same", strides=2, activation="relu"),
        layers.Conv1DTranspose(filters=1, kernel_size=7, padding="same"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="mse")
model.summary()
history = model.fit(
    x_train,
    x_train,
    epochs=2,
    batch_size=4,
    validation_split=0.25,
    callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, mode="min")],
)
x_train_pred = model.predict(x_train)
train_mae_loss = np.mean(np.abs(x_train_pred - x_train), axis=1)
print("Reconstruction error threshold:", np.max(train_mae_loss))
RESULT = x_train_pred
