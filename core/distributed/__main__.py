"""Run torchrun's elastic agent, which starts the ranks, without its tracebacks."""

import logging
import signal
import sys

# The ranks are not started yet: until the agent handles the signal itself, it just ends.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Run the agent with the arguments of torchrun; return the exit code."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as run_agent

    for name in ("agent.server.api", "multiprocessing.api"):
        # They warn of every signal that is forwarded.
        logging.getLogger(f"torch.distributed.elastic.{name}").setLevel(logging.ERROR)
    try:
        run_agent()
    except SignalException as end:
        return 128 + int(end.sigval)
    except ChildFailedError:  # the rank has reported why, and the agent with which exit code
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
