"""What the BenchmarkEvaluator can be told."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

# Settings of protocols that name files.
FILE_SETTINGS = ("video_list", "vocabulary")


@dataclasses.dataclass(frozen=True)
class GateConfig:
    """A benchmark, and the bar that a model must reach on it to be pushed.

    Attributes:
      benchmark: its name.
      annotations: its annotation files.
      videos: folder of its videos, or empty.
      features: folder of their features in place of videos, or empty.
      minimum: least value of the benchmark's headline figure, such as R@10, as a fraction.
      settings: what differs from the benchmark's own settings, by section.
      store: folder that keeps embeddings, so that an evaluation that was killed goes on; empty for
        one inside the execution, which does not outlive it.
      require_complete: whether a model is refused where items are missing, as its figure is then
        not that of the benchmark.
      feature_rates: rows a second of streams of the features, where they are not the model's.
    """

    benchmark: str
    annotations: str
    videos: str = ""
    features: str = ""
    minimum: float = 0.0
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    store: str = ""
    require_complete: bool = True
    feature_rates: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        """Returns the configuration as one line of JSON, the same for equal ones."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "GateConfig":
        """Returns the configuration that `to_json` wrote.

        Args:
          text: one JSON object.

        Raises:
          ValueError: the text names an unknown setting.
        """
        values = json.loads(text)
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings of a benchmark: {', '.join(sorted(unknown))}")
        return cls(**values)
