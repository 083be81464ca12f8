"""Benchmarks, run manually: `python -m tests.benchmarks.NAME [--quick] [--json FILE]`.

peers     this program, the notebook's loop, a tuned loop, fastai and Lightning on the same data
ui        slowdown of training by the app, idle and in use
answer    latency from a key press to its command
terminal  output and CPU time of the app, by size and colors of the terminal
start     first frame, `--help` and `runs`, compared with the smallest Textual app
accuracy  a recipe compared with timm's and fastai's usual fine-tuning
step      overhead of the engine over a bare training step
gpu       ConvNeXt-Base compared with a tuned loop and the peak of the GPU

`python -m tests.benchmarks` runs all of them. They are not part of the test suite: times depend on
the machine, so only ratios of two things measured in turns in one run count.
"""
