import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import config
from models import objective as objectives
from models.objective import Objective

OBJECTIVES = {
    "mil_nce": Objective(),
    "mil_nce, reference": Objective(positives="twice"),
    "mil_nce, captions": Objective(negatives="captions"),
    "mil_nce, videos": Objective(negatives="videos"),
    "mil_nce, 4 negatives": Objective(num_negatives=4),
    "max_nce": Objective("max_nce"),
    "attention_nce": Objective("attention_nce"),
    "concatenation_nce": Objective("concatenation_nce"),
    "nce": Objective("nce"),
    "nce, 3 captions": Objective("nce", negatives="captions", num_negatives=3),
    "max_margin": Objective("max_margin"),
    "max_margin, 4 negatives": Objective("max_margin", num_negatives=4),
    "binary": Objective("binary"),
}
SINGLE = [name for name, each in OBJECTIVES.items() if each.loss in config.SINGLE_CANDIDATE_LOSSES]
EACH = pytest.mark.parametrize("name", OBJECTIVES)


def candidates_of(objective: Objective) -> int:
    single = objective.joins_candidates or objective.loss in config.SINGLE_CANDIDATE_LOSSES
    return 1 if single else 3


def embeddings_of(objective: Objective, batch: int = 6, scale: float = 1.0, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    rows = {"video": batch, "text": batch * candidates_of(objective)}
    if objective.uses_attention:
        rows |= {"video_attention": rows["video"], "text_attention": rows["text"]}
    return {
        name: (scale * rng.normal(size=(count, 4))).astype(np.float32)
        for name, count in rows.items()
    }


def rows_of(embeddings: dict, clips, batch: int = 6) -> dict:
    """Returns the embeddings of some clips with their candidates."""
    return {
        name: value.reshape(batch, -1, 4)[clips].reshape(-1, 4)
        for name, value in embeddings.items()
    }


def test_every_loss_of_the_configuration_is_known():
    assert sorted(objectives.LOSSES) == sorted(config.LOSSES)
    assert {each.loss for each in OBJECTIVES.values()} == set(objectives.LOSSES)


def test_each_name_chooses_its_loss():
    # exp s(i, j) = [[6, 1], [2, 3]]: the negatives of clip 0 are 1 and 2.
    one = {"video": np.eye(2), "text": np.log([[6, 2], [1, 3]])}
    for loss, expected in {
        "mil_nce": 3 / 2,
        "max_nce": 3 / 2,
        "concatenation_nce": 3 / 2,
        "nce": 3 / 2,
        "binary": 7 / 6 * np.sqrt(2 * 3),
        "max_margin": np.sqrt(4 / 3),
    }.items():
        losses = Objective(loss, margin=np.log(4)).per_clip(one)
        np.testing.assert_allclose(losses[0], np.log(expected), rtol=1e-6, err_msg=loss)


def test_attention_looks_at_the_own_candidates_only():
    # Clip 0: own 1 and 3, captions 2 and 2, clips 1 and 1; attention 3 to 1, so that the score is
    # log(3) / 4. Clip 1: own 2 and 4, the same sum of negatives; attention 1 to 1.
    embeddings = {
        "video": np.eye(2),
        "text": np.log([[1, 1], [3, 1], [2, 2], [2, 4]]),
        "video_attention": np.eye(2),
        "text_attention": np.log([[3, 70], [1, 80], [90, 5], [60, 5]]),
    }
    losses = Objective("attention_nce").per_clip(embeddings)
    np.testing.assert_allclose(losses, np.log([1 + 6 / 3**0.25, 1 + 6 / 8**0.5]), rtol=1e-6)


def test_candidate_losses_differ_on_the_same_candidates():
    embeddings = embeddings_of(OBJECTIVES["attention_nce"])
    values = [Objective(loss).per_clip(embeddings) for loss in ("mil_nce", "max_nce")]
    values.append(Objective("attention_nce").per_clip(embeddings))
    # The sum of the candidates is above the best, which is above their average.
    assert np.all(values[0] < values[1])
    assert np.all(values[1] < values[2])


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not OBJECTIVES[n].num_negatives])
def test_permuting_the_batch_permutes_the_losses(name):
    objective = OBJECTIVES[name]
    embeddings, order = embeddings_of(objective), [3, 1, 5, 0, 4, 2]
    losses = np.asarray(objective.per_clip(embeddings))
    permuted = objective.per_clip(rows_of(embeddings, order))
    np.testing.assert_allclose(permuted, losses[order], rtol=1e-5)
    assert np.std(losses) > 0.01


@pytest.mark.parametrize("loss", ["mil_nce", "nce", "max_nce", "max_margin", "binary"])
def test_symmetric_losses_do_not_tell_video_from_text(loss):
    embeddings = embeddings_of(OBJECTIVES["nce"])
    swapped = {"video": embeddings["text"], "text": embeddings["video"]}
    for negatives, others in (
        ("symmetric", "symmetric"),
        ("captions", "videos"),
        ("videos", "captions"),
    ):
        np.testing.assert_allclose(
            Objective(loss, negatives).per_clip(embeddings),
            Objective(loss, others).per_clip(swapped),
            rtol=1e-5,
            atol=1e-6,
        )
    one_sided = Objective(loss, "captions")
    assert np.any(np.abs(one_sided.per_clip(embeddings) - one_sided.per_clip(swapped)) > 0.1)


@EACH
def test_parts_of_a_gathered_batch_give_the_losses_of_the_whole(name):
    objective = OBJECTIVES[name]
    whole = embeddings_of(objective)
    offsets = (0, tf.constant(2), tf.constant(4, tf.int64))
    parts = [
        objective.per_clip(
            rows_of(whole, slice(start, start + 2)),
            whole["video"],
            whole["text"],
            offset=offset,
        )
        for start, offset in zip((0, 2, 4), offsets, strict=True)
    ]
    np.testing.assert_allclose(np.concatenate(parts), objective.per_clip(whole), rtol=1e-5)


@EACH
def test_large_scores_give_finite_losses_and_gradients(name):
    objective = OBJECTIVES[name]
    embeddings = {key: tf.constant(value) for key, value in embeddings_of(objective, 6, 20).items()}
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        losses = objective.per_clip(embeddings)
    assert np.max(losses) > 300
    assert np.all(np.isfinite(losses))
    for gradient in tape.gradient(losses, embeddings).values():
        assert np.all(np.isfinite(gradient))


@EACH
def test_gradients_equal_finite_differences(name):
    objective = OBJECTIVES[name]
    embeddings = {key: tf.constant(value) for key, value in embeddings_of(objective).items()}
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = tf.reduce_mean(objective.per_clip(embeddings))
    gradients = tape.gradient(loss, embeddings)
    for key, gradient in gradients.items():
        direction = gradient / tf.norm(gradient)
        ahead, behind = (
            tf.reduce_mean(
                objective.per_clip({**embeddings, key: embeddings[key] + step * direction})
            )
            for step in (1e-2, -1e-2)
        )
        assert float(ahead - behind) / 2e-2 == pytest.approx(float(tf.norm(gradient)), rel=5e-3)


@EACH
def test_half_precision_embeddings_are_scored_in_float32(name):
    objective = OBJECTIVES[name]
    half = {key: tf.cast(value, tf.bfloat16) for key, value in embeddings_of(objective).items()}
    single = {key: tf.cast(value, tf.float32) for key, value in half.items()}
    losses = objective.per_clip(half)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, objective.per_clip(single), rtol=1e-6)


@EACH
def test_traces_with_an_unknown_batch(name):
    objective = OBJECTIVES[name]
    signature = {key: tf.TensorSpec([None, 4]) for key in embeddings_of(objective)}
    traced = tf.function(objective.per_clip, input_signature=[signature])
    for batch in (4, 5):
        embeddings = embeddings_of(objective, batch)
        np.testing.assert_allclose(
            traced(embeddings), objective.per_clip(embeddings), rtol=1e-5, atol=1e-6
        )


_ON_JAX = """
import sys

import jax
import numpy as np

from models.objective import Objective

folder, *names = sys.argv[1:]
for loss in names:
    mean = lambda embeddings: Objective(loss).per_clip(embeddings).mean()
    embeddings = dict(np.load(f"{folder}/{loss}.npz"))
    value, gradients = jax.jit(jax.value_and_grad(mean))(embeddings)
    np.savez(f"{folder}/{loss}_jax.npz", value=value, **gradients)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_gives_the_same_losses_and_gradients(tmp_path):
    for loss in objectives.LOSSES:
        np.savez(tmp_path / f"{loss}.npz", **embeddings_of(Objective(loss)))
    subprocess.run(
        [sys.executable, "-c", _ON_JAX, str(tmp_path), *objectives.LOSSES],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    for loss in objectives.LOSSES:
        objective = Objective(loss)
        inputs = {key: tf.constant(value) for key, value in embeddings_of(objective).items()}
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = tf.reduce_mean(objective.per_clip(inputs))
        on_jax = np.load(tmp_path / f"{loss}_jax.npz")
        np.testing.assert_allclose(on_jax["value"], value, rtol=1e-5, err_msg=loss)
        for key, gradient in tape.gradient(value, inputs).items():
            np.testing.assert_allclose(on_jax[key], gradient, atol=1e-5, err_msg=f"{loss} {key}")


def test_properties():
    assert [Objective(loss).uses_attention for loss in ("mil_nce", "attention_nce")] == [0, 1]
    assert [Objective(loss).joins_candidates for loss in ("nce", "concatenation_nce")] == [0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "nse"}, "loss is 'nse'; it must be one of mil_nce, max_nce, attention_nce"),
        ({"negatives": "both"}, "negatives is 'both'; it must be one of symmetric, captions"),
        ({"positives": "thrice"}, "positives is 'thrice'; it must be one of once, twice"),
        ({"num_negatives": 63}, "num_negatives is 63; symmetric negatives need an even number"),
        ({"num_negatives": 0, "negatives": "videos"}, "num_negatives is 0; it must be at least 1"),
        ({"positives": "twice", "negatives": "captions"}, "take positives='once'"),
        ({"positives": "twice", "loss": "nce"}, "take positives='once'"),
        ({"margin": -0.1}, "margin is -0.1; it must be at least 0"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Objective(**settings)


@pytest.mark.parametrize("name", [*SINGLE, "concatenation_nce"])
def test_losses_of_one_candidate_refuse_several(name):
    with pytest.raises(ValueError, match="takes one candidate per clip, not 2"):
        OBJECTIVES[name].per_clip({"video": np.ones((6, 4)), "text": np.ones((12, 4))})


@EACH
def test_a_batch_without_negatives_is_refused(name):
    objective = OBJECTIVES[name]
    with pytest.raises(ValueError, match="a batch of one clip has no negatives"):
        objective.per_clip(embeddings_of(objective, batch=1))
