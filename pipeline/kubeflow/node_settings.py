"""What the nodes of a pipeline are told, by names that hold for the whole pipeline."""

from collections.abc import Sequence

from tfx.dsl.components.base import base_node

from components import fingerprint_driver


def full_names(node: base_node.BaseNode) -> dict[str, str]:
    """Returns the full names of a node's properties that are worked out at run time.

    Those are all of its texts: paths, and settings as JSON. Kubeflow runs no drivers, so that the
    fingerprint of what a node reads is one of them.

    Args:
      node: a node of the pipeline.

    Returns:
      The full names, unique in the pipeline, by the names of the properties.
    """
    texts = [name for name, value in node.exec_properties.items() if isinstance(value, str)]
    if _has_fingerprint(node):
        texts.append(fingerprint_driver.FINGERPRINT_KEY)
    return {name: f"{node.id}_{name}" for name in texts}


def settings_of(nodes: Sequence[base_node.BaseNode]) -> dict[str, str]:
    """Returns the values of those properties of all nodes, by their full names.

    Args:
      nodes: the nodes of a run; the files that they read are looked at.

    Raises:
      ValueError: files that a node reads cannot be listed.
    """
    found = {}
    for node in nodes:
        told = dict(node.exec_properties)
        if _has_fingerprint(node):
            # Metadata are for the cache, which is not asked here.
            driver = node.driver_class(None)
            told[fingerprint_driver.FINGERPRINT_KEY] = driver.fingerprint(told)
        found |= {full_name: told[name] for name, full_name in full_names(node).items()}
    return found


def _has_fingerprint(node: base_node.BaseNode) -> bool:
    return issubclass(node.driver_class, fingerprint_driver.FingerprintDriver)
