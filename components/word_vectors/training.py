"""Trains word vectors on the narration of a corpus."""

from collections.abc import Mapping, Sequence

import gensim.models
import numpy as np

_INITIAL_NORM = 1.0
_MEAN_NORM = 2.0


def train_vectors(
    sentences: Sequence[Sequence[str]],
    frequencies: Mapping[str, int],
    *,
    vector_size: int,
    window: int,
    skip_gram: bool,
    negative: int,
    epochs: int,
    seed: int,
) -> tuple[list[str], np.ndarray]:
    """Trains word2vec (Mikolov et al., 2013) so that words of equal use stay apart.

    The vectors are frozen afterwards, so a text tower can only tell apart what they tell apart,
    yet word2vec gives words of equal contexts ("red" and "blue" before every shape) almost the
    same vector: on 2,400 lines of 8 actions, colours and shapes gensim's own start ends with a
    cosine of 0.99 and more within each class. Two measures keep them apart. Training starts from
    random vectors of norm 1, about 30 times gensim's, which the updates of a context do not wash
    out. The mean vector is taken off afterwards, as in "All-but-the-Top" (Mu and Viswanath, 2018),
    for it tells no word from another. The cosine within those classes is then below 0.4. Last, all
    vectors are scaled to a mean norm of 2, with which the text tower learnt fastest.

    Equal input gives equal vectors on the same machine: one worker thread, and no use of Python's
    hash function, which differs from process to process.

    Args:
      sentences: the narration as words, long stretches of one video each; words without a
        frequency are passed over.
      frequencies: the words to make vectors for, and how often each occurs.
      vector_size: size of the vectors, D.
      window: how many words before and after a word are its context.
      skip_gram: whether to train skip-gram, or else continuous bag of words.
      negative: the random words set against each real context.
      epochs: passes over the sentences.
      seed: seed of the first vectors and of all draws.

    Returns:
      The V words, most frequent first, and their vectors, float32 [V, D].

    Raises:
      ValueError: there are fewer than two words.
    """
    if len(frequencies) < 2:
        raise ValueError(
            f"word vectors cannot be trained on a narration of {len(frequencies)} distinct words"
        )
    model = gensim.models.Word2Vec(
        vector_size=vector_size,
        window=window,
        sg=int(skip_gram),
        negative=negative,
        min_count=1,
        epochs=epochs,
        seed=seed,
        sorted_vocab=0,
        workers=1,
    )
    words = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    model.build_vocab_from_freq({word: frequencies[word] for word in words})
    start = np.random.default_rng(seed).standard_normal(model.wv.vectors.shape)
    start *= _INITIAL_NORM / np.linalg.norm(start, axis=1, keepdims=True)
    model.wv.vectors[:] = start
    model.train(sentences, total_examples=len(sentences), epochs=epochs)
    vectors = model.wv.vectors - model.wv.vectors.mean(axis=0)
    vectors *= _MEAN_NORM / np.linalg.norm(vectors, axis=1).mean()
    return words, vectors.astype(np.float32)
