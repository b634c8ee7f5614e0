"""What runs inside the process that holds real Keras; nothing here imports torch."""
