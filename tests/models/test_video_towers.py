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
