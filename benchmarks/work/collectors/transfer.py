"""Class probabilities of networks that were fine-tuned for another task."""

from benchmarks.work.passes import Collector, Part, Shown


class TransferCollector(Collector):
    """Probabilities of a network that gives them: parts with float32 ``scores`` (N, K)."""

    def collect(self, shown: Shown) -> Part:
        return {"position": shown.positions, "scores": self.network(shown.inputs).float().cpu().numpy()}
