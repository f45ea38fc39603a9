"""What this paper's tables and claims ask of the records, by the profile that stands for the paper's data."""

from benchmarks.core.records import Scalar
from benchmarks.networks.names import parse
from benchmarks.report.evidence import Evidence, Query
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.attention import ATTENTION
from benchmarks.work.cost import COST
from benchmarks.work.efficiency import EFFICIENCY
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.profiles import Profile
from benchmarks.work.selectivity import SELECTIVITY
from benchmarks.work.training import TRAIN
from benchmarks.work.transfer import TRANSFER

# Pixels: where networks are trained, and where the paper tests them.
TRAINED_AT = 224
RESOLUTIONS = (128, 140, *range(168, 449, 28))


def scaled(resolution: int, profile: Profile) -> int:
    """A resolution of the paper at the profile's scale, pixels."""
    return round(resolution * profile.resolution / TRAINED_AT)


def counted(model: str, convention: str = "fvcore") -> Query:
    """Parameters and FLOPs of a model."""
    return Query(COST.name, model, COST.cell(model, convention).options)


def trained(model: str, data: str = "train") -> Query:
    """Trainings of a model."""
    return Query(TRAIN.name, model, {"trained_on": data})


def accuracy(model: str, evidence: Evidence, split: str = "v1") -> Query:
    """Accuracies of a model on one of the paper's two sets, at the resolution that it was trained at."""
    profile = evidence.profile
    return Query(ACCURACY.name, model, shown(profile.splits[split], profile.resolution))


def swept(model: str, evidence: Evidence, resolution: int) -> Query:
    """Accuracies of a model at one of the paper's resolutions."""
    profile = evidence.profile
    return Query(ACCURACY.name, model, shown(profile.looks, scaled(resolution, profile)))


def shown(data: str, resolution: int) -> dict[str, Scalar]:
    """What an accuracy of a network that was trained on the whole data is told of its images."""
    return {"data": data, "resolution": resolution, "trained_on": "train"}


def reduced_accuracy(model: str, evidence: Evidence) -> Query:
    """Accuracies of a model that was trained on the reduced data set."""
    reduced = evidence.profile.reduced
    return Query(ACCURACY.name, model, {"data": reduced.val, "trained_on": reduced.train})


def localized(model: str, evidence: Evidence) -> Query:
    """Localizations of a model."""
    return Query(LOCALIZATION.name, model, {"data": evidence.profile.looks})


def looked(model: str, evidence: Evidence) -> Query:
    """Maps of a model on telling images."""
    return Query(ATTENTION.name, model, {"data": evidence.profile.looks})


def selective(model: str, evidence: Evidence) -> Query:
    """Class selectivity of a model's channels."""
    return Query(SELECTIVITY.name, model, {"data": evidence.profile.looks})


def transferred(model: str, target: str, evidence: Evidence) -> Query:
    """Evaluations of a model at another task."""
    return Query(TRANSFER.name, model, {"target": target, "data": evidence.profile.transfers[target].test})


def measured(model: str, mode: str) -> Query:
    """Speed and memory of a model's backbone in ``training`` or ``inference``."""
    return Query(EFFICIENCY.name, parse(model).backbone, {"mode": mode})
