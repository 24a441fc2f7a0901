"""Public weights of the papers' models, brought in from other frameworks."""
