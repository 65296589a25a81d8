"""House rules that tools hold us to."""

from importlinter.cli import lint_imports


def test_imports_go_down_and_the_engine_is_pure():
    assert lint_imports() == 0
