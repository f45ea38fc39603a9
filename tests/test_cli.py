"""The command line says what is wrong in one line and exits with 1."""

import pytest
from click.testing import CliRunner

from benchmarks.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["costs", "resnet50-sse"], "unknown model 'resnet50-sse' (did you mean resnet50-se"),
        (["costs", "resnet50-td-joint-t0-m1"], "unknown model 'resnet50-td-joint-t0-m1'"),
        (["costs", "resnet18-td-joint-t2-m3"], "distance must be from 0 to 2"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert message in line
    assert "Traceback" not in result.output


def test_traceback_on_request() -> None:
    result = CliRunner().invoke(main, ["--traceback", "costs", "vgg16"])
    assert isinstance(result.exception, ValueError)


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "costs" in result.output
