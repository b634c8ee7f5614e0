"""Activations that are layers: ReLU and its kin, PReLU, Softmax."""
