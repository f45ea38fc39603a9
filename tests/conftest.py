"""What tests of several files are given by name."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test begins and ends without plug-ins, whatever it adds."""
    import baselines
    from benchmarks.networks import plugins

    monkeypatch.setattr(baselines, "ATTENTIONS", baselines.ATTENTIONS)
    before = dict(baselines.ATTENTIONS)
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.forget()
    yield
    baselines.ATTENTIONS.clear()
    baselines.ATTENTIONS.update(before)
    plugins.forget()
