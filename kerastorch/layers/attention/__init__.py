"""Attention, AdditiveAttention, MultiHeadAttention and GroupQueryAttention."""
