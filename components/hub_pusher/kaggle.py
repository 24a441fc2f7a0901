"""A pushed version as a version of a Kaggle model, through kagglehub.

kagglehub itself finds the credentials, in the environment (KAGGLE_API_TOKEN, or KAGGLE_USERNAME and
KAGGLE_KEY) or in ~/.kaggle; they pass through no function of this module.
"""

import re
from types import ModuleType

_HANDLE = re.compile(r"[\w-]+/[\w-]+/[\w-]+/[\w.-]+", re.ASCII)


def check_handle(handle: str) -> None:
    """Checks the form of a handle, without kagglehub.

    Args:
      handle: `<owner>/<model>/<framework>/<variation>`.

    Raises:
      ValueError: it has another form.
    """
    if not _HANDLE.fullmatch(handle):
        raise ValueError(
            f"the Kaggle handle {handle!r} is not owner/model/framework/variation, such as "
            f"me/mil-nce-s3d/tensorFlow2/default; Kaggle counts the versions itself"
        )


def check_setup(handle: str) -> None:
    """Checks on this machine alone what an upload needs.

    Args:
      handle: `<owner>/<model>/<framework>/<variation>`.

    Raises:
      ValueError: the handle names no model that Kaggle could hold, or kaggle.json is damaged.
      RuntimeError: kagglehub is missing, or there are no credentials.
    """
    check_handle(handle)
    _kagglehub()
    from kagglehub import config
    from kagglehub import handle as handles

    try:
        handles.parse_model_handle(handle).framework_enum()
    except ValueError:
        framework = handle.split("/")[2]
        raise ValueError(
            f"the Kaggle handle {handle} has no framework that Kaggle knows: {framework}; a "
            f"SavedModel is tensorFlow2"
        ) from None
    if config.get_kaggle_credentials() is None:
        raise RuntimeError(
            f"no model can be uploaded as {handle} without credentials: set KAGGLE_API_TOKEN, or "
            f"KAGGLE_USERNAME and KAGGLE_KEY, or put a kaggle.json into ~/.kaggle"
        )


def check_access(handle: str) -> None:
    """Checks all that an upload needs, Kaggle's own consent to the credentials too.

    Args:
      handle: `<owner>/<model>/<framework>/<variation>`.

    Raises:
      ValueError: the handle names no model that Kaggle could hold, or kaggle.json is damaged.
      RuntimeError: kagglehub is missing, there are no credentials, or Kaggle does not know them.
    """
    check_setup(handle)
    try:
        _kagglehub().whoami(verbose=False)
    except Exception:
        # kagglehub gives one error for both, and its cause may hold the request.
        raise RuntimeError(
            f"nothing is pushed, as no model can be uploaded as {handle}: Kaggle does not take the "
            f"credentials, or cannot be reached; mend that and run again"
        ) from None


def upload(folder: str, handle: str, notes: str = "") -> None:
    """Uploads a version; the first one makes a private model.

    Args:
      folder: a local folder with the SavedModel.
      handle: `<owner>/<model>/<framework>/<variation>`.
      notes: what Kaggle shows beside the version.

    Raises:
      RuntimeError: the upload failed.
    """
    kagglehub = _kagglehub()
    try:
        kagglehub.model_upload(handle, folder, version_notes=notes)
    except Exception as error:
        raise RuntimeError(
            f"the upload to Kaggle as {handle} failed: {_without_secrets(str(error))}; the "
            f"version is in the hub folder, and a second run only repeats the upload"
        ) from None


def _kagglehub() -> ModuleType:
    try:
        import kagglehub
    except ImportError as error:
        raise RuntimeError(
            "an upload to Kaggle needs kagglehub: install the extra `kaggle`, or "
            "pip install 'kagglehub>=1,<2'"
        ) from error
    return kagglehub


def _without_secrets(message: str) -> str:
    """Returns one line of a message, in which a server may have repeated what it was sent."""
    from kagglehub import config

    credentials = config.get_kaggle_credentials()
    for secret in (credentials.key, credentials.api_key) if credentials else ():
        if secret:
            message = message.replace(secret, "***")
    return " ".join(message.split())
