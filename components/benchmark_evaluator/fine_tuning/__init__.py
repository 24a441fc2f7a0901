"""Fine-tuning of a pushed video tower on action recognition."""
