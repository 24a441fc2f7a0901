"""Training on many replicas with `tf.distribute`; only TensorFlow's backend can.

A replica is a GPU, a TPU core or a CPU device, of this machine or of several. Each one embeds its
own part of the batch; the embeddings of all of them are gathered, so that the negatives of a clip
come from the whole batch. The loss of a replica is that of its own clips. Its gradient with respect
to the embeddings of the others goes back to them through the gather, and the optimiser sums the
gradients of the weights: the step is that of one device with the whole batch.

A model is made before the strategy's scope is entered; in the scope it is built and compiled, its
optimiser is built, and `fit` is called with what `distribute` returns. Keras's `fit` would have a
model that was made in the scope average a batch over the workers, which fails for dictionaries, and
an optimiser cannot make its variables on a replica. `jit_compile` has to be False.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from models.objective import Objective

STRATEGIES = ("one_device", "mirrored", "multi_worker", "tpu")

# What a batch is made by: how many pipelines feed the replicas, which of them is meant, and how
# many clips one replica takes.
MakeDataset = Callable[[int, int, int], tf.data.Dataset]


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Makes the strategy of a setting.

    "multi_worker" has to be made before TensorFlow has run anything in this process.

    Args:
      name: one of `STRATEGIES`: "one_device" is TensorFlow's default; "mirrored" takes all GPUs of
        this machine, or all logical CPU devices where there is no GPU; "multi_worker" the machines
        in the environment variable TF_CONFIG; "tpu" the TPU that the environment variable TPU_NAME
        names.

    Raises:
      ValueError: there is no such strategy, or the environment does not name what it takes.
      RuntimeError: of "multi_worker", if TensorFlow has been used before.
    """
    if name == "one_device":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        _check_tf_config()
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return _tpu_strategy()
    raise ValueError(f"strategy is {name!r}; it must be one of {', '.join(STRATEGIES)}")


def _check_tf_config() -> None:
    example = (
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise ValueError(
            f"strategy 'multi_worker' needs the environment variable TF_CONFIG, which is not set; "
            f"set it on every machine, with its own index, to {example}"
        )
    try:
        config = json.loads(text)
        workers, index = config["cluster"]["worker"], config["task"]["index"]
        valid = config["task"]["type"] == "worker" and 0 <= int(index) < len(workers)
    except (ValueError, TypeError, KeyError):
        valid = False
    if not valid:
        raise ValueError(
            f"the environment variable TF_CONFIG does not say which worker of which cluster this "
            f"is; set it to something like {example}"
        )


def _tpu_strategy() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME", "")
    if not name:
        raise ValueError(
            "strategy 'tpu' needs the environment variable TPU_NAME, which is not set; set it to "
            "the TPU's name or address, or to 'local' on a TPU machine"
        )
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether this process is the one that writes what all of them have in common.

    Args:
      strategy: what `make_strategy` returned. All but "multi_worker" have one process.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    return strategy.cluster_resolver.task_id == 0


def check_batch_size(batch_size: int, replicas: int, micro_batch_size: int | None = None) -> int:
    """Checks that a batch can be spread over the replicas, and there over micro-batches.

    Args:
      batch_size: clips in a batch of all replicas together, B.
      replicas: number of replicas, N (`strategy.num_replicas_in_sync`).
      micro_batch_size: clips of a replica that are embedded at once; None for all of them.

    Returns:
      The clips of one replica, B / N.

    Raises:
      ValueError: N does not divide B, or the micro-batch does not divide B / N.
    """
    local, rest = divmod(batch_size, replicas)
    if rest:
        raise ValueError(
            f"training.batch_size is {batch_size}, which {replicas} replicas cannot share evenly; "
            f"take a multiple of {replicas}"
        )
    check_micro_batch_size(local, micro_batch_size)
    return local


def check_micro_batch_size(local: int, micro_batch_size: int | None) -> None:
    """Checks that the clips of a replica can be spread over micro-batches.

    Args:
      local: clips of one replica.
      micro_batch_size: clips that are embedded at once; None, or more than there are, for all.

    Raises:
      ValueError: the micro-batch does not divide the clips.
    """
    if micro_batch_size is not None and local > micro_batch_size and local % micro_batch_size:
        raise ValueError(
            f"training.micro_batch_size is {micro_batch_size}, which does not divide the {local} "
            f"clips of a replica; take a divisor of {local}"
        )


def distribute(strategy: tf.distribute.Strategy, batch_size: int, make_dataset: MakeDataset) -> Any:
    """Feeds the replicas with batches, for `fit` and `evaluate`.

    Args:
      strategy: what `make_strategy` returned.
      batch_size: clips in a batch of all replicas together, B.
      make_dataset: called as `make_dataset(pipelines, pipeline, local)` and returns a dataset of
        batches of `local` clips, none smaller. Each of the `pipelines` (one for each worker
        process; on a TPU for each of its hosts) feeds its own replicas, each with the next batch.
        Of every B clips in turn, pipeline p has to take B / `pipelines` clips that no other one
        takes; if these are the p-th part, step by step, training sees the same batches as one
        device does.

    Returns:
      With one device the dataset itself; else a distributed dataset, which `fit` takes in the
      strategy's scope.

    Raises:
      ValueError: the replicas cannot share the batch evenly.
    """
    local = check_batch_size(batch_size, strategy.num_replicas_in_sync)
    if not _is_distributed(strategy):
        return make_dataset(1, 0, local)
    return strategy.distribute_datasets_from_function(
        lambda context: make_dataset(context.num_input_pipelines, context.input_pipeline_id, local)
    )


def _is_distributed(strategy: tf.distribute.Strategy) -> bool:
    with strategy.scope():
        return tf.distribute.has_strategy()


def synchronize_batch_norm(model: keras.Model) -> None:
    """Makes batch normalisation take its statistics from the clips of all replicas.

    Without it each replica normalises with the statistics of its own clips, as the reference code
    does on GPUs; with it as on TPUs (facts/protocols.md, section 1).

    Args:
      model: a model, built or not, whose step has not been compiled yet.
    """
    for layer in batch_norm_layers(model):
        layer.synchronized = True


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns all batch normalisations of a model."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def num_replicas() -> int:
    """Returns the number of replicas that the code that asks runs on."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def mean_loss(objective: Objective, embeddings: Mapping[str, Any]) -> Any:
    """Computes this replica's share of the mean loss over the clips of all replicas.

    The sum over the replicas is the mean over all clips, as Keras's trainer expects of a loss: it
    reports N times the share, averaged over the N replicas, and sums the gradients.

    Args:
      embeddings: what `Objective.per_clip` takes, of this replica's clips; of every replica equally
        many.
      objective: the loss.

    Returns:
      float32 [].
    """
    replicas = num_replicas()
    if replicas == 1:
        return tf.reduce_mean(objective.per_clip(embeddings))
    context = tf.distribute.get_replica_context()
    # One by one: TensorFlow cannot take the gradient of a gather of tensors of different shapes.
    video, text = (context.all_gather(embeddings[name], axis=0) for name in ("video", "text"))
    offset = context.replica_id_in_sync_group * tf.shape(embeddings["video"])[0]
    return tf.reduce_mean(objective.per_clip(embeddings, video, text, offset=offset)) / replicas


def worker_logs(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the logs of a step the shape that Keras's trainer can average over workers.

    Between workers it averages over the first axis of each value, which a scalar lacks.

    Args:
      logs: scalars by name.

    Returns:
      With more than one worker [1] by name, else what was given.
    """
    if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return {name: tf.reshape(value, (1,)) for name, value in logs.items()}
    return dict(logs)
