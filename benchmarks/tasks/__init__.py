"""The kinds of work, one file each: what each depends on, and how a group of its cells is run."""

from benchmarks.tasks.accuracy import Accuracies
from benchmarks.tasks.attention import Attentions
from benchmarks.tasks.cost import Costs
from benchmarks.tasks.efficiency import Efficiencies
from benchmarks.tasks.finetuning import FineTunings
from benchmarks.tasks.localization import Localizations
from benchmarks.tasks.probe import Probes
from benchmarks.tasks.selectivity import Selectivities
from benchmarks.tasks.task import Advance, Amount, Blocked, Inputs, Task, Waiting
from benchmarks.tasks.training import Trainings
from benchmarks.tasks.transfer import Transfers

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
