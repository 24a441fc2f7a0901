"""What tf.Transform does with the narration."""
