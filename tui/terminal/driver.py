"""Terminal driver: Textual's, with an input thread that no input can end."""

import os
import selectors
import signal
from codecs import getincrementaldecoder

from textual import constants
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.input_parser import InputParser

_POLL_SECONDS = 0.1
_READ_BYTES = 4096
_REPORT_ALTERNATE_KEYS = "\x1b[=4;2u"
"""Add, in the kitty keyboard protocol, the key of the US layout to the reports of keys."""


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux and macOS with its own input loop.

    If the loop fails, so does the app: Textual's own thread closes it with exit code 0.
    """

    def start_application_mode(self) -> None:
        """Enter application mode, and ask for keys by their place on the keyboard."""
        self._parser = InputParser(self._debug)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if not constants.DISABLE_KITTY_KEY and self.attrs_before is not None:
            self.write(_REPORT_ALTERNATE_KEYS)

    @property
    def base_keys(self) -> dict[str, str]:
        """See `InputParser`."""
        return self._parser.base_keys

    def run_input_thread(self) -> None:
        """Read input until the driver stops."""
        try:
            self._read_input()
        except Exception as error:
            self._app.call_later(_fail, error)

    def _read_input(self) -> None:
        parser = self._parser
        # Invalid UTF-8 is a replacement character, not an error.
        decode = getincrementaldecoder("utf-8")("replace").decode
        # Not epoll or kqueue, which do not accept all terminals.
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_POLL_SECONDS):
                    data = self._read()
                    if not data:
                        return
                    for message in parser.feed(decode(data)):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)

    def _read(self) -> bytes:
        """Return the next input, none if the terminal has hung up, even without SIGHUP."""
        try:
            data = os.read(self.fileno, _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            os.kill(os.getpid(), signal.SIGHUP)
        return data


def _fail(error: Exception) -> None:
    """Raise an error in the event loop, where it ends the app as any other of its errors does."""
    raise error


def choose_driver() -> type[Driver] | None:
    """Return the driver of a terminal; None for another one, as in a browser."""
    return TerminalDriver if constants.DRIVER is None else None
