"""Class probabilities of networks that were fine-tuned for another task."""

from benchmarks.work.passes import Collector, Shown, require_finite
from benchmarks.work.shelves import Part


class TransferCollector(Collector):
    """Probabilities of a network that gives them: parts with float32 ``scores`` (N, K)."""

    def collect(self, shown: Shown) -> Part:
        scores = self.network(shown.inputs).float().cpu().numpy()
        require_finite(scores, shown)
        return {"position": shown.positions, "scores": scores}
