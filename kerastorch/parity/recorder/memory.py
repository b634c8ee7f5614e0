"""Memory that is full: it is no trait of a model, so nothing goes on as if Keras had refused one input."""

from __future__ import division

# What Python, C++, the system, TensorFlow, torch and JAX say.
FULL = ("MemoryError", "bad_alloc", "Cannot allocate memory", "can't allocate memory", "RESOURCE_EXHAUSTED",
        "ResourceExhausted", "out of memory", "pthread_create() failed", "can't start new thread")  # fmt: skip


def says_full(text):
    """Whether an error's text says that the memory is full."""
    return any(word in text for word in FULL)


def is_memory(error):
    """Whether an error says so."""
    return says_full("%s: %s" % (type(error).__name__, error))
