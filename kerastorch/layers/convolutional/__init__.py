"""Convolutions, transposed, depthwise, separable and with weights of their own at each place."""
