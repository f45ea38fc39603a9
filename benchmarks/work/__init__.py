"""The kinds of work, one file each: what each depends on, and how a group of its cells is run."""

from benchmarks.work.accuracy import Accuracies
from benchmarks.work.attention import Attentions
from benchmarks.work.cost import Costs
from benchmarks.work.efficiency import Efficiencies
from benchmarks.work.finetuning import FineTunings
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Task, Waiting
from benchmarks.work.localization import Localizations
from benchmarks.work.probe import Probes
from benchmarks.work.selectivity import Selectivities
from benchmarks.work.training import Trainings
from benchmarks.work.transfer import Transfers

__all__ = [
    "TASKS",
    "Accuracies",
    "Advance",
    "Amount",
    "Attentions",
    "Blocked",
    "Costs",
    "Efficiencies",
    "FineTunings",
    "Inputs",
    "Localizations",
    "Probes",
    "Selectivities",
    "Task",
    "Trainings",
    "Transfers",
    "Waiting",
]

# In the order in which they run: what others wait for comes first.
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Costs(),
        Trainings(),
        Accuracies(),
        Localizations(),
        Attentions(),
        Selectivities(),
        FineTunings(),
        Transfers(),
        Efficiencies(),
        Probes(),
    )
}
