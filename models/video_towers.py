"""Which video tower a setting names."""

from models import i3d, s3d

S3D = "s3d"
I3D = "i3d"
# I3D's own 0.999 forgets too slowly for a training of a few thousand steps: after 1,200 steps 30 %
# of a stored statistic would still be its initial value. S3D's is also that of its authors' JAX
# code for every tower (facts/protocols.md, section 1).
I3D_TRAINING_MOMENTUM = 0.9


def make_video_tower(
    backbone: str, width: float, embedding_size: int, stem: str
) -> s3d.S3D | i3d.I3D:
    """Makes the video tower of a training.

    Args:
      backbone: "s3d" or "i3d".
      width: factor on the tower's channel counts; 1.0 is the tower as published.
      embedding_size: size of the joint space, E.
      stem: S3D's first convolution, "space_to_depth" or "conv"; an I3D has only one.

    Returns:
      The tower, without weights. An I3D's batch normalisation has the momentum of S3D's, not the
      0.999 of the published one.

    Raises:
      ValueError: the backbone is unknown, or the tower refuses a setting.
    """
    if backbone == S3D:
        return s3d.S3D(width=width, embedding_size=embedding_size, stem=stem)
    if backbone == I3D:
        return i3d.I3D(width=width, embedding_size=embedding_size, momentum=I3D_TRAINING_MOMENTUM)
    raise ValueError(f"backbone must be {S3D!r} or {I3D!r}, not {backbone!r}")
