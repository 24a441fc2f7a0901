import numpy as np
import pytest

from components.retrieval_evaluator import frame_clips
from components.retrieval_evaluator.text_video_model import TextVideoModel

_SAMPLING = {
    "num_frames": 4,
    "frame_rate": 2.0,
    "image_size": 16,
    "num_windows": 2,
    "batch_size": 5,
}


def test_clips_are_embedded_in_their_order_up_to_a_cap(colour_world, tmp_path):
    files = colour_world.write_clips(tmp_path / "clips", colour_world.captions)
    model = TextVideoModel(colour_world.write_model(tmp_path / "model"))
    source = frame_clips.FrameClips(files, **_SAMPLING)
    embedded = source.embed(model, max_clips=3)
    assert [clip.caption for clip in embedded.clips] == list(colour_world.captions[:3])
    assert embedded.num_expected == 8
    # Nothing, blue and green around zero; JPEG is not exact.
    expected = [[-0.5, -0.5, -0.5], [-0.5, -0.5, 0.5], [-0.5, 0.5, -0.5]]
    np.testing.assert_allclose(embedded.embeddings, expected, atol=0.02)
    assert "2 evenly spaced windows of 4 frames at 2 frames a second (2 s)" in source.in_words()


def test_no_files_give_no_clips(colour_world, tmp_path):
    model = TextVideoModel(colour_world.write_model(tmp_path / "model"))
    embedded = frame_clips.FrameClips([], **_SAMPLING).embed(model)
    assert (embedded.clips, embedded.embeddings.shape, embedded.num_expected) == ([], (0, 0), 0)


def test_records_without_frames_are_one_clear_error(colour_world, tmp_path):
    files = colour_world.write_clips(tmp_path / "clips", colour_world.captions, with_frames=False)
    model = TextVideoModel(colour_world.write_model(tmp_path / "model"))
    with pytest.raises(
        ValueError, match=r"store no frames to embed; set ingest\.store_frames=true"
    ):
        frame_clips.FrameClips(files, **_SAMPLING).embed(model)
