"""The command line: parse, call, print. Whatever needs torch is imported by the command that needs it."""

import sys
from collections.abc import Sequence
from typing import Any

import click

CONVENTIONS = ("fvcore", "ptflops", "torch")
FORMATS = ("md", "tex", "csv", "json")


class CleanErrors(click.Group):
    """Turns what a user can cause (ValueError, OSError, a missing extra) into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(" ".join(str(error).split())) from error


@click.group(cls=CleanErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="tdam-bench")
def main(traceback: bool) -> None:
    """Does TDAM (ECCV 2022) reproduce, here? Cell by cell and claim by claim."""


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--convention", type=click.Choice(CONVENTIONS), default="fvcore", show_default=True, help="FLOP counter.")
@click.option("--by-operator", is_flag=True, help="List the parts of each count, and what the convention leaves out.")
@click.option("--format", "style", type=click.Choice(FORMATS), default="md", show_default=True)
def costs(models: Sequence[str], convention: str, by_operator: bool, style: str) -> None:
    """Parameters and FLOPs beside the paper's, of all 14 rows of table 1 or of MODELs.

    FLOPs are multiply-accumulates of one 224x224 image. Counters leave different work out, so the verdict compares
    what a row adds to its plain network.
    """
    from benchmarks.experiments import costs as experiment
    from benchmarks.experiments.table1 import MODELS
    from benchmarks.models import parse
    from benchmarks.render.tables import FORMATS as RENDERERS

    names = models or tuple(MODELS.values())
    counted = {name for model in names for name in (model, parse(model)["backbone"])}
    with click.progressbar(length=len(counted), label="counting", file=sys.stderr) as bar:
        measured = experiment.measure_costs(names, convention, progress=lambda name: bar.update(1))
    if by_operator:
        rows = [row for cost in measured for row in experiment.operator_rows(cost)]
    else:
        paper = experiment.paper_costs()
        rows = [experiment.cost_row(cost, paper) for cost in measured]
    click.echo(RENDERERS[style](rows))
