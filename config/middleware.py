"""Request id in every log line and answer; the policy of pages."""

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

request_id: ContextVar[str] = ContextVar("request_id", default="-")
_JSON = ("application/json", "application/problem+json")
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")

Handler = Callable[[HttpRequest], HttpResponse]


class RequestIdFilter(logging.Filter):
    """Gives log records the id of the request they belong to."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class RequestId:
    """Takes a caller's X-Request-Id when it is plain, makes one otherwise, and answers with it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        rid = given if _PLAIN.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(rid)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-Id"] = rid
        return response


class PagePolicy(CSPMiddleware):
    """The content security policy of pages. JSON is no page: no call of the API pays for it.

    Relaxes script-src for the console only: its theme's Alpine.js evaluates expressions.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:  # fmt: skip
        if response.headers.get("Content-Type", "").startswith(_JSON):
            return response
        if request.path.startswith("/admin/"):
            response._csp_replace = {"script-src": settings.CONSOLE_SCRIPT_SRC}  # type: ignore[attr-defined]
        return super().process_response(request, response)
