"""Early pytest plugin (-p tests.servers): servers must be there before Django reads settings."""

from config import embedded

_stop = embedded.start_for_tests()


def pytest_unconfigure() -> None:
    """Stop the throw-away servers."""
    _stop()
