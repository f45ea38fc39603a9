"""The kinds of work by name. A new one adds its file and a line here."""

from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.attention import ATTENTION
from benchmarks.work.cost import COST
from benchmarks.work.efficiency import EFFICIENCY
from benchmarks.work.finetuning import FINETUNE, FINETUNE_LONGER
from benchmarks.work.kind import Kind
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.probe import PROBE
from benchmarks.work.selectivity import SELECTIVITY
from benchmarks.work.training import TRAIN, TRAIN_LONGER
from benchmarks.work.transfer import TRANSFER

# In the order in which they run: what others wait for comes first.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        COST,
        TRAIN,
        TRAIN_LONGER,
        ACCURACY,
        LOCALIZATION,
        ATTENTION,
        SELECTIVITY,
        FINETUNE,
        FINETUNE_LONGER,
        TRANSFER,
        EFFICIENCY,
        PROBE,
    )
}
