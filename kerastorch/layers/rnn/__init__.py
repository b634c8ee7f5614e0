"""Layers over time, their cells, and layers around them.

`sequence.py` is what all layers over time share (masks, states, direction), `recurrent.py` what LSTM, GRU and SimpleRNN
share, `gated_cell.py` what their cells share. A cell stands beside its layer.
"""
