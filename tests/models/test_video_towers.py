import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from models import i3d, s3d, video_towers


def test_s3d_has_the_stem_that_was_asked_for():
    tower = video_towers.make_video_tower("s3d", width=0.5, embedding_size=16, stem="conv")
    assert isinstance(tower, s3d.S3D)
    assert (tower.width, tower.embedding_size, tower.stem) == (0.5, 16, "conv")


def test_i3d_trains_with_the_momentum_of_s3d():
    tower = video_towers.make_video_tower(
        "i3d", width=0.05, embedding_size=16, stem="space_to_depth"
    )
    assert isinstance(tower, i3d.I3D)
    assert (tower.width, tower.embedding_size) == (0.05, 16)
    other = video_towers.make_video_tower("s3d", width=0.05, embedding_size=16, stem="conv")
    assert tower.conv1.norm.momentum == other.conv1.norm.momentum == 0.9


def test_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="backbone must be 's3d' or 'i3d', not 'resnet'"):
        video_towers.make_video_tower("resnet", width=1.0, embedding_size=512, stem="conv")


_BACKBONES = ("s3d", "i3d")
_ON_JAX = """
import sys

import jax
import numpy as np

from models import video_towers

folder, *backbones = sys.argv[1:]
for backbone in backbones:
    saved = dict(np.load(f"{folder}/{backbone}.npz"))
    clips = saved.pop("clips")
    tower = video_towers.make_video_tower(backbone, 0.05, 8, "space_to_depth")
    tower.build()
    tower.set_weights([saved[str(index)] for index in range(len(tower.weights))])
    learned = [weight.value for weight in tower.trainable_variables]
    stored = [weight.value for weight in tower.non_trainable_variables]
    outputs, _ = jax.jit(tower.stateless_call)(learned, stored, clips)
    np.savez(f"{folder}/{backbone}_jax.npz", **outputs)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_gives_the_same_outputs(tmp_path):
    clips = np.random.default_rng(0).random((2, 5, 17, 20, 3), np.float32)
    expected = {}
    for backbone in _BACKBONES:
        keras.utils.set_random_seed(1)
        tower = video_towers.make_video_tower(backbone, 0.05, 8, "space_to_depth")
        expected[backbone] = tower(clips)
        weights = {str(index): weight for index, weight in enumerate(tower.get_weights())}
        np.savez(tmp_path / f"{backbone}.npz", clips=clips, **weights)
    subprocess.run(
        [sys.executable, "-c", _ON_JAX, str(tmp_path), *_BACKBONES],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # Compiling takes longer than running.
            "XLA_FLAGS": "--xla_backend_optimization_level=1 "
            "--xla_llvm_disable_expensive_passes=true",
        },
        check=True,
    )
    for backbone, outputs in expected.items():
        on_jax = np.load(tmp_path / f"{backbone}_jax.npz")
        for key, output in outputs.items():
            np.testing.assert_allclose(
                on_jax[key], output, rtol=1e-4, atol=1e-9, err_msg=f"{backbone} {key}"
            )


@pytest.mark.parametrize("backbone", ["s3d", "i3d"])
def test_no_two_convolutions_start_with_equal_weights(backbone):
    tower = video_towers.make_video_tower(backbone, 0.25, 8, "space_to_depth")
    tower.build()
    kernels = [np.asarray(weight).tobytes() for weight in tower.weights if weight.name == "kernel"]
    assert len(set(kernels)) == len(kernels) > 50
