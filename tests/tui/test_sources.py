"""A run as the screens see it."""

from core import events as ev
from tests.tui import scripted
from tui.sources import RunModel


def test_silence_counts_from_the_last_news_and_the_device_is_none() -> None:
    now = [100.0]
    script = scripted.Script().prepare().phase("head").progress("head", 1, 5, 0.7)
    source = script.source()
    model = RunModel(source, clock=lambda: now[0])
    model.pump()
    now[0] = 130.0
    assert model.silence == 30.0
    # The wall clock of the run jumps a day: nobody's silence.
    source.pending = script.add(ev.DeviceSample(device="cpu"), 86_400).records[-1:]
    model.pump()
    assert model.silence == 30.0
    source.pending = script.progress("head", 1, 6, 0.7).records[-1:]
    model.pump()
    assert model.silence == 0.0
