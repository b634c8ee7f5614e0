"""The speed on roads that meet, by a convolution over their graph and an LSTM.

After "Traffic forecasting using graph neural networks and LSTM" of Keras's examples, on four roads. It keeps these
calls of Keras: layers.Layer with add_weight(initializer, shape, dtype, trainable), initializers.GlorotUniform,
layers.Activation, ops.segment_sum(num_segments), ops.convert_to_tensor, ops.take(axis), ops.matmul, ops.concatenate,
ops.transpose, ops.shape, ops.reshape, layers.LSTM(activation), layers.Dense inside of a layer, layers.Input,
models.Model, optimizers.RMSprop(learning_rate), losses.MeanSquaredError, compile, fit(validation_data, callbacks),
predict.
"""

import keras
import numpy as np
from keras import layers, ops

EDGES, NODES, STEPS, AHEAD = (np.array([0, 1, 2, 3, 0]), np.array([1, 2, 3, 0, 2])), 4, 5, 2


class GraphConv(layers.Layer):
    def __init__(self, in_feat, out_feat, aggregation_type="sum", activation=None, **kwargs):
        super().__init__(**kwargs)
        self.in_feat, self.out_feat, self.aggregation_type = in_feat, out_feat, aggregation_type
        self.weight = self.add_weight(
            initializer=keras.initializers.GlorotUniform(), shape=(in_feat, out_feat), dtype="float32", trainable=True
        )
        self.activation = layers.Activation(activation)

    def aggregate(self, neighbours):
        aggregation_func = {"sum": ops.segment_sum, "max": ops.segment_max}.get(self.aggregation_type)
        return aggregation_func(neighbours, ops.convert_to_tensor(EDGES[0]), num_segments=NODES)

    def call(self, features):
        nodes = ops.matmul(features, self.weight)
        neighbours = ops.take(features, ops.convert_to_tensor(EDGES[1]), axis=0)
        messages = ops.matmul(self.aggregate(neighbours), self.weight)
        return self.activation(ops.concatenate([nodes, messages], axis=-1))


class LSTMGC(layers.Layer):
    def __init__(self, in_feat, out_feat, lstm_units, input_seq_len, output_seq_len, **kwargs):
        super().__init__(**kwargs)
        self.graph_conv = GraphConv(in_feat, out_feat)
        self.lstm = layers.LSTM(lstm_units, activation="relu")
        self.dense = layers.Dense(output_seq_len)
        self.input_seq_len, self.output_seq_len = input_seq_len, output_seq_len

    def call(self, inputs):
        inputs = ops.transpose(inputs, [2, 0, 1, 3])
        gcn_out = self.graph_conv(inputs)
        shape = ops.shape(gcn_out)
        num_nodes, batch_size, input_seq_len, out_feat = shape[0], shape[1], shape[2], shape[3]
        gcn_out = ops.reshape(gcn_out, (batch_size * num_nodes, input_seq_len, out_feat))
        dense_output = self.dense(self.lstm(gcn_out))
        output = ops.reshape(dense_output, (num_nodes, batch_size, self.output_seq_len))
        return ops.transpose(output, [1, 2, 0])


rng = np.random.default_rng(0)
x, y = rng.normal(size=(12, STEPS, NODES, 1)), rng.normal(size=(12, AHEAD, NODES))
st_gcn = LSTMGC(1, 3, 5, STEPS, AHEAD)
inputs = layers.Input((STEPS, NODES, 1))
outputs = st_gcn(inputs)
model = keras.models.Model(inputs, outputs)
model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate=0.002),
    loss=keras.losses.MeanSquaredError(),
)
model.fit(
    x[:8],
    y[:8],
    batch_size=4,
    validation_data=(x[8:], y[8:]),
    epochs=2,
    callbacks=[keras.callbacks.EarlyStopping(patience=10)],
)
RESULT = model.predict(x[8:])
