"""Keras 3 layers, models, losses, training and export."""
