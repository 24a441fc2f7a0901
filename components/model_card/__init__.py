"""The model card that lies beside the pushed SavedModel."""
