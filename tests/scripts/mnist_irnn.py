"""Images read pixel by pixel by rectified recurrent units that start from the identity.

After "mnist_irnn" of Keras 2's examples (Le, Jaitly and Hinton, 2015), on 12 made-up images. It keeps these calls of
Keras: utils.to_categorical, Sequential, add, SimpleRNN(units, kernel_initializer=RandomNormal(stddev),
recurrent_initializer= Identity(gain), activation, input_shape), Dense, Activation, RMSprop(learning_rate), compile,
fit, evaluate(verbose=0).
"""

import numpy as np
from keras import initializers
from keras.layers import Activation, Dense, SimpleRNN
from keras.models import Sequential
from keras.optimizers import RMSprop
from keras.utils import to_categorical

batch_size, num_classes, epochs, hidden_units, learning_rate = 4, 10, 2, 6, 1e-3
rng = np.random.default_rng(0)
x = rng.integers(0, 256, size=(12, 16, 1)).astype("float32") / 255
labels = rng.integers(0, num_classes, size=12)
x_train, x_test = x[:8], x[8:]
y_train, y_test = to_categorical(labels[:8], num_classes), to_categorical(labels[8:], num_classes)

model = Sequential()
model.add(
    SimpleRNN(
        hidden_units,
        kernel_initializer=initializers.RandomNormal(stddev=0.001),
        recurrent_initializer=initializers.Identity(gain=1.0),
        activation="relu",
        input_shape=x_train.shape[1:],
    )
)
model.add(Dense(num_classes))
model.add(Activation("softmax"))
rmsprop = RMSprop(learning_rate=learning_rate)
model.compile(loss="categorical_crossentropy", optimizer=rmsprop, metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, verbose=1, validation_data=(x_test, y_test))
scores = model.evaluate(x_test, y_test, verbose=0)
print("IRNN test score:", scores[0])
print("IRNN test accuracy:", scores[1])
RESULT = np.array([scores[0]])
