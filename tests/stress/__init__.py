"""Long runs of the real program under bad luck; each is a command: `python -m tests.stress.NAME`.

kill      kill -9 at random moments, resumed each time
damage    checkpoints with a byte changed, cut, or empty
hangup    a terminal that is closed under the app
signals   SIGTERM and SIGINT, also in the middle of a save
clients   a thousand commands of two processes
disk      a disk that is full now and then (`--ranks 2`: under two ranks)
ranks     kill -9 of one of two ranks at random moments
machines  two machines in network namespaces: left alone, a rank killed, the cable pulled

They need Linux and take from one minute to half an hour each. `--seed` draws other moments.
"""
