"""The temperature some hours ahead, from windows of a series of measurements.

After "Timeseries forecasting for weather prediction" of Keras's examples, on 120 made-up hours. It keeps these calls of
Keras: preprocessing.timeseries_dataset_from_array(sequence_length, sampling_rate, batch_size), the dataset's take,
layers.Input(shape), layers.LSTM, layers.Dense, Model(inputs, outputs), optimizers.Adam(learning_rate), compile,
summary, callbacks.EarlyStopping(min_delta), callbacks.ModelCheckpoint(save_weights_only, save_best_only), fit of a
dataset with another for validation, predict of a batch, load_weights.
"""

import keras
import numpy as np

hours = np.arange(120)
rng = np.random.default_rng(0)
features = np.stack([np.sin(hours / 4), np.cos(hours / 9), rng.normal(size=120)], axis=1)
train_split, step, past, future, batch_size = 80, 2, 12, 3, 16
mean, std = features[:train_split].mean(axis=0), features[:train_split].std(axis=0)
features = (features - mean) / std
start = past + future
x_train, y_train = features[:train_split], features[start : start + train_split, [1]]
dataset_train = keras.preprocessing.timeseries_dataset_from_array(
    x_train, y_train, sequence_length=past // step, sampling_rate=step, batch_size=batch_size
)
x_val, y_val = features[train_split:-start], features[train_split + start :, [1]]
dataset_val = keras.preprocessing.timeseries_dataset_from_array(
    x_val, y_val, sequence_length=past // step, sampling_rate=step, batch_size=batch_size
)
for batch in dataset_train.take(1):
    inputs, targets = batch
print("Input shape:", inputs.numpy().shape)
print("Target shape:", targets.numpy().shape)

inputs = keras.layers.Input(shape=(inputs.shape[1], inputs.shape[2]))
lstm_out = keras.layers.LSTM(6)(inputs)
outputs = keras.layers.Dense(1)(lstm_out)
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="mse")
model.summary()

path_checkpoint = "model_checkpoint.weights.h5"
es_callback = keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=0, patience=5)
modelckpt_callback = keras.callbacks.ModelCheckpoint(
    monitor="val_loss", filepath=path_checkpoint, verbose=1, save_weights_only=True, save_best_only=True
)
history = model.fit(dataset_train, epochs=2, validation_data=dataset_val, callbacks=[es_callback, modelckpt_callback])
print(history.history["loss"], history.history["val_loss"])
model.load_weights(path_checkpoint)
for x, y in dataset_val.take(1):
    print(x[0][:, 1].numpy(), y[0].numpy())
    RESULT = model.predict(x)
