"""Made how-to videos: a small world of objects and actions, filmed and narrated."""
