"""The TFX component that makes the frozen word vectors."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifacts
from components.word_vectors import executor
from components.word_vectors.config import WordVectorsConfig
from models import files


class WordVectorsGenSpec(types.ComponentSpec):
    """The specification of WordVectorsGen."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.CONFIG_KEY: component_spec.ExecutionParameter(type=str),
        executor.FINGERPRINT_KEY: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        executor.EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        executor.TRANSFORM_GRAPH_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.TransformGraph
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.WORD_VECTORS_KEY: component_spec.ChannelParameter(type=artifacts.WordVectors),
    }


class WordVectorsGen(base_component.BaseComponent):
    """Gives each word of the narration a frozen vector.

    The vectors are trained by gensim on the narration of the train split, or, with
    `WordVectorsConfig.path`, loaded from a word2vec file, for the words of the train split only.

    Component `outputs` contains:
     - `word_vectors`: Channel of type `artifacts.WordVectors`.

    Example:
      words = WordVectorsGen(
          examples=example_gen.outputs["examples"],
          transform_graph=transform.outputs["transform_graph"],
          config=WordVectorsConfig(path="GoogleNews-vectors-negative300.bin.gz"),
      )
    """

    SPEC_CLASS = WordVectorsGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        config: WordVectorsConfig | None = None,
    ):
        """Construct a WordVectorsGen.

        Args:
          examples: Channel of type `Examples` with caption records.
          transform_graph: Channel of type `TransformGraph`, made by Transform from them with
            `components.transform.preprocessing.preprocessing_fn`.
          config: the settings; by default the vectors are trained.
        """
        config = config or WordVectorsConfig()
        super().__init__(
            spec=WordVectorsGenSpec(
                examples=examples,
                transform_graph=transform_graph,
                word_vectors_config=config.to_json(),
                fingerprint=_fingerprint(config.path, config.extra_words, config.stop_words),
                word_vectors=types.Channel(type=artifacts.WordVectors),
            )
        )


def _fingerprint(*paths: str) -> str:
    """Describes files by size and time of last change, so that a changed file misses the cache.

    What names no file, such as a list of this project, is described by its name.
    """
    described = []
    for path in filter(None, paths):
        try:
            size, changed = files.size_and_time(path)
            described.append(f"{path}:{size}:{changed}")
        except OSError:
            described.append(f"{path}:missing")
    return " ".join(described)
