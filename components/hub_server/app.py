"""TF Hub's hosting protocol as an ASGI app.

The client, `hub.load("http://…/publisher/model/version")`, asks for `?tf-hub-format=compressed` and
unpacks the .tar.gz that comes. A browser asks without a format and gets the model card. An address
without a version is sent on to the newest one; as the client keeps what it loaded under the address
that it was given, programs should name a version.

For `?tf-hub-format=uncompressed` the client takes only a status 303 whose body is a gs:// location,
from which it then reads. So it gets that where the hub folder lies on Google Cloud Storage as well,
and otherwise a 406 that says what to set.
"""

import hashlib
import logging
import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from components.hub_pusher import archive
from components.hub_server import pages
from components.hub_server.folder import HubError, HubFolder
from models import hub_folder

_FORMAT = "tf-hub-format"
_GCS = re.compile(r"gs://[a-z0-9][a-z0-9._-]+(/[A-Za-z0-9._-]+)*/?", re.ASCII)
_MAX_URL_BYTES = 2048
_MAX_HEADER_BYTES = 16384  # Enough for any browser's cookies.

_logger = logging.getLogger(__name__)


def create_app(folder: HubFolder, gcs: str = "") -> Starlette:
    """Returns the app that serves a hub folder.

    Args:
      folder: what is served; it is read anew for every request.
      gcs: where the same folder lies on Google Cloud Storage, as gs://…, or empty.

    Raises:
      ValueError: `gcs` is no such location.
    """
    if gcs and not _GCS.fullmatch(gcs):
        raise ValueError(f"{gcs!r} is not of the form gs://BUCKET/FOLDER")

    def answer(request: Request) -> Response:
        try:
            return _answer(folder, gcs, request)
        except HubError as error:
            return _refusal(error.status, str(error))
        except FileNotFoundError:
            return _refusal(404, "this is no longer here")
        except OSError as error:
            _logger.warning("%s cannot be read: %s", request.url.path, error)
            return _refusal(403, "this cannot be read by the server")

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])


def _refusal(status: int, message: str) -> Response:
    return PlainTextResponse(message + "\n", status, headers=pages.HEADERS)


def _answer(folder: HubFolder, gcs: str, request: Request) -> Response:
    _check_size(request)
    path = request.scope["path"].removeprefix("/").removesuffix("/")
    names = path.split("/") if path else []
    wanted = _format(request)
    if len(names) > 3:
        raise HubError(404, "an address is /publisher/model/version")
    if len(names) < 2:
        if wanted:
            raise HubError(400, f"{_FORMAT} is for /publisher/model/version")
        return _list(folder, *names)
    if len(names) == 2:
        newest = folder.versions(*names)[0]
        query = f"?{_FORMAT}={wanted}" if wanted else ""
        return RedirectResponse(f"/{'/'.join(names)}/{newest}{query}", status_code=302)
    if wanted == "compressed":
        return _archive(folder, request, *names)
    card = folder.card(*names)
    if wanted == "uncompressed":
        return _location(gcs, *names)
    return HTMLResponse(pages.model_page(*names, card), headers=pages.HEADERS)


def _location(gcs: str, *names: str) -> Response:
    if not gcs:
        raise HubError(
            406,
            "this hub is a local folder without a gs:// location: unset TFHUB_MODEL_LOAD_FORMAT or "
            "set it to COMPRESSED",
        )
    # Without a header `location`, which the client would follow by HTTP.
    location = "/".join((gcs.rstrip("/"), *names))
    return PlainTextResponse(location, 303, headers=pages.HEADERS)


def _check_size(request: Request) -> None:
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        raise HubError(413, "a request has no body here")
    # uvicorn limits only what has not come whole, and a request on a fast line has.
    if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > _MAX_URL_BYTES:
        raise HubError(414, f"an address has at most {_MAX_URL_BYTES} bytes")
    if sum(len(name) + len(value) for name, value in request.headers.raw) > _MAX_HEADER_BYTES:
        raise HubError(431, f"the headers of a request have at most {_MAX_HEADER_BYTES} bytes")


def _format(request: Request) -> str:
    """Returns the format that is asked for, or "" for a page."""
    # The client adds its format to a handle that may have one already.
    wanted = set(request.query_params.getlist(_FORMAT))
    if len(wanted) > 1 or not wanted <= {"compressed", "uncompressed"}:
        raise HubError(400, f"{_FORMAT} is compressed or uncompressed")
    return wanted.pop() if wanted else ""


def _list(folder: HubFolder, publisher: str = "") -> Response:
    if publisher:
        links = {
            f"{model} / {version}": f"/{publisher}/{model}/{version}"
            for model in folder.models(publisher)
            for version in folder.versions(publisher, model)
        }
    else:
        links = {name: f"/{name}" for name in folder.publishers()}
    title = f"Models of {publisher}" if publisher else "Publishers"
    return HTMLResponse(pages.list_page(title, links), headers=pages.HEADERS)


def _archive(folder: HubFolder, request: Request, *names: str) -> Response:
    disposition = f'attachment; filename="{"-".join(names)}{hub_folder.ARCHIVE_SUFFIX}"'
    headers = {**pages.HEADERS, "content-disposition": disposition}
    stored = folder.stored_archive(*names)
    if stored:
        return FileResponse(
            stored.path, headers=headers, media_type=archive.MEDIA_TYPE, stat_result=stored.status
        )
    entries = folder.entries(*names)
    listing = repr(sorted((entry.name, entry.size) for entry in entries if entry.size is not None))
    # A version does not change, so that its name and the sizes of its files tell it from others.
    digest = hashlib.sha256("/".join((*names, listing)).encode()).hexdigest()
    headers["etag"] = f'"{digest[:32]}"'
    chunks = () if request.method == "HEAD" else archive.chunks(entries)
    return StreamingResponse(chunks, headers=headers, media_type=archive.MEDIA_TYPE)
