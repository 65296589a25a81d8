"""Why a stock point may say no: a table that managers edit. Refusals keep the code."""

from collections.abc import Iterable

from routing.models import RefusalReason

TIMEOUT = "timeout"  # the stock point did not answer in time


class UnknownReason(ValueError):
    """A code that stock points are not offered; the words name those they are."""

    def __init__(self, code: str, offered: Iterable[str]) -> None:
        self.code = code
        super().__init__(f"{code[:40]!r} is not a reason: {', '.join(offered)}")


def offered() -> list[RefusalReason]:
    """The reasons that stock points choose from, in their order."""
    return list(RefusalReason.objects.filter(active=True, automatic=False))


def find(code: str) -> RefusalReason:
    """One of them. Raises UnknownReason for what stock points are not offered."""
    known = {reason.code: reason for reason in offered()}
    if code not in known:
        raise UnknownReason(code, known)
    return known[code]


def names() -> dict[str, str]:
    """Name by code, also of those that are offered no more."""
    return dict(RefusalReason.objects.values_list("code", "name"))
