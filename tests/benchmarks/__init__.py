"""Measurements, run by hand: `python -m tests.benchmarks.NAME [--quick] [--json FILE]`.

peers     this program, the notebook's loop, a tuned loop, fastai and Lightning on the same data
ui        what the app costs the training, at rest and in use
answer    from a key to the command that it asks for
terminal  what the app sends and computes, by size and colours of the terminal
start     the first frame, `--help` and `runs`, beside the smallest Textual app
step      what the engine adds to a bare training step
gpu       ConvNeXt-Base beside a tuned loop and the card's own peak

`python -m tests.benchmarks` runs all of them. Nothing here is part of the test suite: times depend
on the machine, so what counts is a ratio of two things measured in turns in the same run.
"""
