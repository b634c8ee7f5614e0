"""Series told apart by convolutions, normalised between them.

After "Timeseries classification from scratch" of Keras's examples, on 20 series. It keeps these calls of Keras:
layers.Input, layers.Conv1D(filters, kernel_size, padding), layers.BatchNormalization, layers.ReLU,
layers.GlobalAveragePooling1D, layers.Dense, models.Model, callbacks.ModelCheckpoint(save_best_only, monitor),
callbacks.ReduceLROnPlateau(factor, patience, min_lr), callbacks.EarlyStopping(verbose), compile(metrics),
fit(callbacks, validation_split), models.load_model, evaluate, history.
"""

import keras
import numpy as np

OPTIMIZER = "sgd"  # "adam" in the original, which follows the rounding where gradients are next to nothing
rng = np.random.default_rng(0)
y_train = rng.integers(0, 2, size=20)
x_train = np.sin(np.arange(15)[None] / np.where(y_train, 2, 4)[:, None]) + 0.1 * rng.normal(size=(20, 15))
x_train = x_train.reshape((x_train.shape[0], x_train.shape[1], 1))
num_classes = len(np.unique(y_train))


def make_model(input_shape):
    input_layer = keras.layers.Input(input_shape)
    conv1 = keras.layers.Conv1D(filters=4, kernel_size=3, padding="same")(input_layer)
    conv1 = keras.layers.BatchNormalization()(conv1)
    conv1 = keras.layers.ReLU()(conv1)
    conv2 = keras.layers.Conv1D(filters=4, kernel_size=3, padding="same")(conv1)
    conv2 = keras.layers.BatchNormalization()(conv2)
    conv2 = keras.layers.ReLU()(conv2)
    gap = keras.layers.GlobalAveragePooling1D()(conv2)
    output_layer = keras.layers.Dense(num_classes, activation="softmax")(gap)
    return keras.models.Model(inputs=input_layer, outputs=output_layer)


model = make_model(input_shape=x_train.shape[1:])
callbacks = [
    keras.callbacks.ModelCheckpoint("best_model.keras", save_best_only=True, monitor="val_loss"),
    keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=20, min_lr=0.0001),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=50, verbose=1),
]
model.compile(optimizer=OPTIMIZER, loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
history = model.fit(x_train, y_train, batch_size=5, epochs=3, callbacks=callbacks, validation_split=0.2, verbose=1)

best = keras.models.load_model("best_model.keras")
test_loss, test_acc = model.evaluate(x_train, y_train)
print("Test accuracy", test_acc, history.history["val_sparse_categorical_accuracy"])
RESULT = np.append(best.predict(x_train[:3]).ravel(), test_loss)
