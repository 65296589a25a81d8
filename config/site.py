"""The operations console: home page, navigation, search."""

from typing import Any


def home(request: Any, context: Any) -> Any:
    return context


def navigation(request: Any) -> list:
    return []
