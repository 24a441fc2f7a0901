"""The Trainer: a joint text-video embedding from clip or feature records and word vectors."""
