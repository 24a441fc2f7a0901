"""Settings of the sample videos."""

import dataclasses

# Test captions are distinct even without their pattern word; above this the draw runs out of them.
MAX_TEST_CLIPS = 320


@dataclasses.dataclass(frozen=True)
class SampleConfig:
    """What `write_sample_data` makes.

    Attributes:
      num_videos: number of narrated videos to train on.
      num_test_videos: number of annotated test videos.
      steps_per_video: steps of each test video; a training video has up to a quarter more or fewer.
      seed: the seed of everything drawn.
    """

    num_videos: int = 480
    num_test_videos: int = 32
    steps_per_video: int = 8
    seed: int = 20200613

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
          ValueError: a number is out of range.
        """
        if self.num_videos < 0 or self.num_test_videos < 0 or self.seed < 0:
            raise ValueError("the numbers of videos and the seed must not be negative")
        if not 1 <= self.steps_per_video <= 16:
            raise ValueError(f"steps_per_video must be 1 to 16, not {self.steps_per_video}")
        if self.num_test_videos * self.steps_per_video > MAX_TEST_CLIPS:
            raise ValueError(
                f"{self.num_test_videos} test videos of {self.steps_per_video} steps need more "
                f"than {MAX_TEST_CLIPS} distinct captions; ask for fewer test videos or steps"
            )
