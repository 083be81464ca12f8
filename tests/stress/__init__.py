"""Stress tests of the whole program, each run by `python -m tests.stress.NAME`.

kill      kill -9 at random moments, resumed each time
damage    checkpoints with a modified byte, truncated, or empty
hangup    the terminal of the app is closed
signals   SIGTERM and SIGINT, also during a save
endings   every way in which a run ends: errors, killed processes, lost folders, signals
clients   a thousand commands of two processes
disk      a disk that is full from time to time (`--ranks 2`: under two ranks)
ranks     kill -9 of one of two ranks at random moments
machines  two machines in network namespaces: undisturbed, with a killed rank, with a cut network

They need Linux and take one minute to half an hour each. `--seed` selects other random moments.
"""
