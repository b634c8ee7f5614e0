"""Sentences translated word by word, by an encoder and a decoder of attention.

After "English-to-Spanish translation with a sequence-to-sequence Transformer" of Keras's examples, on 12 pairs. It
keeps these calls of Keras: layers.TextVectorization(max_tokens, output_mode, output_sequence_length, standardize),
adapt, get_vocabulary, layers.MultiHeadAttention(query, value, key, attention_mask, query_mask, key_mask), layers that
take masks and make them (compute_mask, supports_masking), get_config, ops.shape, ops.arange, ops.cast, ops.reshape,
ops.not_equal, Input(dtype="int64", name), Model of dicts, a model called on symbolic tensors,
losses.SparseCategoricalCrossentropy(ignore_class), compile, fit of dicts, calls on a dict, ops.argmax.
"""

import keras
import numpy as np
from keras import layers, ops
from keras.layers import TextVectorization

pairs = [("the cat runs", "el gato corre"), ("a dog sleeps", "un perro duerme"), ("the big dog", "el perro grande")] * 4
vocab_size, sequence_length, embed_dim, latent_dim, num_heads = 30, 5, 4, 6, 2
OPTIMIZER = "sgd"  # "rmsprop" in the original, which follows the rounding where gradients are next to nothing
RATE = 0.0  # of the dropout, 0.5 in the original: the numbers of two Kerases are compared
eng_vectorization = TextVectorization(max_tokens=vocab_size, output_mode="int", output_sequence_length=sequence_length)
spa_vectorization = TextVectorization(
    max_tokens=vocab_size, output_mode="int", output_sequence_length=sequence_length + 1, standardize="lower"
)
english, spanish = [pair[0] for pair in pairs], [f"[start] {pair[1]} [end]" for pair in pairs]
eng_vectorization.adapt(english)
spa_vectorization.adapt(spanish)
eng, spa = np.asarray(eng_vectorization(english)), np.asarray(spa_vectorization(spanish))


class TransformerEncoder(layers.Layer):
    def __init__(self, embed_dim, dense_dim, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim, self.dense_dim, self.num_heads = embed_dim, dense_dim, num_heads
        self.attention = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = keras.Sequential([layers.Dense(dense_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm_1 = layers.LayerNormalization()
        self.layernorm_2 = layers.LayerNormalization()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        padding_mask = None if mask is None else ops.cast(mask[:, None, :], dtype="int32")
        attention_output = self.attention(query=inputs, value=inputs, key=inputs, attention_mask=padding_mask)
        proj_input = self.layernorm_1(inputs + attention_output)
        return self.layernorm_2(proj_input + self.dense_proj(proj_input))


class PositionalEmbedding(layers.Layer):
    def __init__(self, sequence_length, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_embeddings = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.position_embeddings = layers.Embedding(input_dim=sequence_length, output_dim=embed_dim)

    def call(self, inputs):
        length = ops.shape(inputs)[-1]
        positions = ops.arange(0, length, 1)
        return self.token_embeddings(inputs) + self.position_embeddings(positions)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0)


class TransformerDecoder(layers.Layer):
    def __init__(self, embed_dim, latent_dim, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.attention_1 = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.attention_2 = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = keras.Sequential([layers.Dense(latent_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm_1 = layers.LayerNormalization()
        self.layernorm_2 = layers.LayerNormalization()
        self.layernorm_3 = layers.LayerNormalization()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        inputs, encoder_outputs = inputs
        causal_mask = self.get_causal_attention_mask(inputs)
        inputs_mask, encoder_mask = (None, None) if mask is None else mask
        out_1 = self.attention_1(
            query=inputs, value=inputs, key=inputs, attention_mask=causal_mask, query_mask=inputs_mask
        )
        out_1 = self.layernorm_1(inputs + out_1)
        out_2 = self.attention_2(
            query=out_1, value=encoder_outputs, key=encoder_outputs, query_mask=inputs_mask, key_mask=encoder_mask
        )
        out_2 = self.layernorm_2(out_1 + out_2)
        return self.layernorm_3(out_2 + self.dense_proj(out_2))

    def get_causal_attention_mask(self, inputs):
        input_shape = ops.shape(inputs)
        length = input_shape[1]
        i = ops.arange(length)[:, None]
        j = ops.arange(length)
        mask = ops.cast(i >= j, dtype="int32")
        return ops.reshape(mask, (1, length, length))


encoder_inputs = keras.Input(shape=(None,), dtype="int64", name="encoder_inputs")
x = PositionalEmbedding(sequence_length, vocab_size, embed_dim)(encoder_inputs)
encoder_outputs = TransformerEncoder(embed_dim, latent_dim, num_heads)(x)
encoder = keras.Model(encoder_inputs, encoder_outputs)

decoder_inputs = keras.Input(shape=(None,), dtype="int64", name="decoder_inputs")
encoded_seq_inputs = keras.Input(shape=(None, embed_dim), name="decoder_state_inputs")
x = PositionalEmbedding(sequence_length, vocab_size, embed_dim)(decoder_inputs)
x = TransformerDecoder(embed_dim, latent_dim, num_heads)([x, encoded_seq_inputs])
x = layers.Dropout(RATE)(x)
decoder_outputs = layers.Dense(vocab_size, activation="softmax")(x)
decoder = keras.Model([decoder_inputs, encoded_seq_inputs], decoder_outputs)
transformer = keras.Model(
    {"encoder_inputs": encoder_inputs, "decoder_inputs": decoder_inputs},
    decoder([decoder_inputs, encoder_outputs]),
    name="transformer",
)
transformer.summary()
transformer.compile(OPTIMIZER, loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0), metrics=["accuracy"])
data = {"encoder_inputs": eng, "decoder_inputs": spa[:, :-1]}
transformer.fit(data, spa[:, 1:], batch_size=4, epochs=2, validation_data=(data, spa[:, 1:]))

spa_index_lookup = dict(enumerate(spa_vectorization.get_vocabulary()))
tokenized_input_sentence = eng_vectorization(["the dog runs"])
decoded_sentence = "[start]"
for i in range(3):
    tokenized_target_sentence = spa_vectorization([decoded_sentence])[:, :-1]
    predictions = transformer({"encoder_inputs": tokenized_input_sentence, "decoder_inputs": tokenized_target_sentence})
    sampled_token_index = ops.convert_to_numpy(ops.argmax(predictions[0, i, :])).item(0)
    decoded_sentence += " " + spa_index_lookup.get(sampled_token_index, "")
print(decoded_sentence)
RESULT = transformer.predict(data)
