"""The Trainer: a joint text-video embedding from clip records and word vectors."""
