"""Bodies of requests: of known length and bounded before anything reads or stores them."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

FORM_BYTES = 64 * 1024  # what a form may hold besides its file

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class UploadLimit(FileUploadHandler):
    """Stands before the handlers that store: an upload over the limit is refused unread."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        if content_length > settings.UPLOAD_MAX_BYTES + FORM_BYTES:
            raise RequestDataTooBig(f"{content_length} bytes are more than an upload may have")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


def with_length(application: Application, *, limit: int) -> Application:
    """WSGI: a body sent in chunks to the API gets a length, without which Django reads nothing.

    At most `limit` + 1 bytes are taken, which is enough to see that it is over the limit.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked and environ.get("PATH_INFO", "").startswith("/api/"):
            body = environ["wsgi.input"].read(limit + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return answer
