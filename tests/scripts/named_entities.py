"""The kind of each word, by a transformer that is a class of one's own, with a loss that leaves padding out.

After "Named Entity Recognition using Transformers" of Keras's examples, on 12 sentences of numbers. It keeps these
calls of Keras: layers.Layer and Model as base classes, layers.MultiHeadAttention, Sequential inside of a layer,
layers.LayerNormalization(epsilon), layers.Dropout(rate)(x, training=training), layers.Embedding on ops.arange,
ops.shape, layers.StringLookup(vocabulary), losses.Loss with call, losses.SparseCategoricalCrossentropy(from_logits,
reduction=None), ops.cast, ops.sum, compile, fit, predict.
"""

import keras
import numpy as np
from keras import layers, ops

OPTIMIZER = "sgd"  # "adam" in the original, which follows the rounding where gradients are next to nothing
RATE = 0.0  # of the dropouts, 0.1 in the original: the numbers of two Kerases are compared


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=RATE):
        super().__init__()
        self.att = keras.layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([keras.layers.Dense(ff_dim, activation="relu"), keras.layers.Dense(embed_dim)])
        self.layernorm1 = keras.layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = keras.layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = keras.layers.Dropout(rate)
        self.dropout2 = keras.layers.Dropout(rate)

    def call(self, inputs, training=False):
        attn_output = self.dropout1(self.att(inputs, inputs), training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.dropout2(self.ffn(out1), training=training)
        return self.layernorm2(out1 + ffn_output)


class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = keras.layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = keras.layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, inputs):
        maxlen = ops.shape(inputs)[-1]
        positions = ops.arange(start=0, stop=maxlen, step=1)
        return self.token_emb(inputs) + self.pos_emb(positions)


class NERModel(keras.Model):
    def __init__(self, num_tags, vocab_size, maxlen=128, embed_dim=8, num_heads=2, ff_dim=8):
        super().__init__()
        self.embedding_layer = TokenAndPositionEmbedding(maxlen, vocab_size, embed_dim)
        self.transformer_block = TransformerBlock(embed_dim, num_heads, ff_dim)
        self.dropout1 = layers.Dropout(RATE)
        self.ff = layers.Dense(ff_dim, activation="relu")
        self.dropout2 = layers.Dropout(RATE)
        self.ff_final = layers.Dense(num_tags, activation="softmax")

    def call(self, inputs, training=False):
        x = self.transformer_block(self.embedding_layer(inputs))
        x = self.dropout1(x, training=training)
        x = self.dropout2(self.ff(x), training=training)
        return self.ff_final(x)


class CustomNonPaddingTokenLoss(keras.losses.Loss):
    def __init__(self, name="custom_ner_loss"):
        super().__init__(name=name)

    def call(self, y_true, y_pred):
        loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=False, reduction=None)
        loss = loss_fn(y_true, y_pred)
        mask = ops.cast((y_true > 0), dtype="float32")
        loss = loss * mask
        return ops.sum(loss) / ops.sum(mask)


vocabulary = ["eu", "rejects", "german", "call", "to", "boycott", "british", "lamb"]
lookup_layer = keras.layers.StringLookup(vocabulary=vocabulary)
rng = np.random.default_rng(0)
words = rng.choice([*vocabulary, "unheard"], size=(12, 6))
x, y = np.asarray(lookup_layer(words)), rng.integers(0, 4, size=(12, 6))
ner_model = NERModel(4, len(vocabulary) + 1, maxlen=10)
ner_model(x[:1])  # built before it is compiled: the weights of two Kerases are made equal there
ner_model.compile(optimizer=OPTIMIZER, loss=CustomNonPaddingTokenLoss())
ner_model.fit(x, y, batch_size=4, epochs=2)
output = ner_model.predict(ops.convert_to_tensor(x[:3]))
print(np.argmax(output, axis=-1)[0])
RESULT = output
