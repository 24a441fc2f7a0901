"""Hub modules by address: `tensorflow_hub` downloads them, and is imported only for that."""

from models import files
from models.error_text import first_line


def downloaded(module: str) -> str:
    """Returns the folder of a hub module, downloaded if an address names it.

    Args:
      module: a folder, or an address such as https://tfhub.dev/deepmind/mil-nce/s3d/1.

    Raises:
      ValueError: it cannot be downloaded.
    """
    if files.is_remote(module) or not files.is_address(module):
        return module
    import tensorflow_hub

    try:
        return tensorflow_hub.resolve(module)
    # An address fails in whatever its protocol trips over.
    except Exception as error:
        raise ValueError(
            f"{module} cannot be downloaded: {first_line(error)}; download the module by hand and "
            f"give its folder"
        ) from error
