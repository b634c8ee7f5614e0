"""Dense, EinsumDense, Embedding, Masking, Activation, Identity; operations, functions and torch modules as layers."""
