"""What the OpenAPI document says of every operation: how it can be refused, always alike."""

from typing import Any

PROBLEM = {
    "type": "object",
    "description": "RFC 9457: what is wrong, and where.",
    "required": ["type", "title", "status", "code", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer, RFC 6901"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
ANY = {
    "400": "The request is not valid; `errors` says where.",
    "401": "The key or the signature is missing, unknown or revoked.",
    "403": "The key may not do this.",
    "404": "There is nothing of the caller's by that name.",
    "406": "Only JSON is answered here.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "503": "The database is away for a moment; try again with the same Idempotency-Key.",
}
CHANGING = {
    "409": "It contradicts what is there already.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The Idempotency-Key was used for another request, or the content cannot be mapped.",
}
CONDITIONAL = {"428": "Say in `If-Match` which state is replaced."}
METHODS = {"get", "post", "put", "patch", "delete"}
LOCAL_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?$"


def refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to every operation how it can be refused (a postprocessing hook of drf-spectacular)."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {
        f"Refused{status}": {
            "description": words,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status, words in {**ANY, **CHANGING, **CONDITIONAL}.items()
    }
    _local_times(components["schemas"])
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in METHODS:
                _add(operation, changing=method != "get")
    return result


def _add(operation: dict[str, Any], *, changing: bool) -> None:
    statuses = [*ANY, *(CHANGING if changing else ())]
    if any(parameter.get("name") == "If-Match" for parameter in operation.get("parameters", ())):
        statuses += CONDITIONAL
    for status in statuses:
        operation["responses"].setdefault(
            status, {"$ref": f"#/components/responses/Refused{status}"}
        )


def _local_times(part: Any) -> None:
    """A time of day at a stock point has no offset, which the format "time" asks for."""
    if isinstance(part, dict):
        if part.get("format") == "time":
            del part["format"]
            part["pattern"] = LOCAL_TIME
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            _local_times(inner)
