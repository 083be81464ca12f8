"""The runs in a browser: a small web server that starts a view of them for each visitor."""

import copy
import ipaddress
import logging
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from aiohttp import web
from textual_serve.server import Server

from core.common.subprocesses import python_environment

MOST_VISITORS = 8
"""At once; each is a process."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve(runs_dir: Path, host: str, port: int) -> None:
    """Serve until a signal comes; raises OSError where the port can't be had."""
    # The views are started by a shell, in this process's own environment.
    os.environ.update(python_environment())
    ViewServer(runs_dir, host, port).serve()


class ViewServer(Server):
    """Serves views of a runs directory to whoever may ask."""

    def __init__(self, runs_dir: Path, host: str, port: int) -> None:
        command = ["exec", sys.executable, "-m", "tui.runtime.web_app", str(runs_dir.absolute())]
        super().__init__(shlex.join(command), host=host, port=port, title="convnext-tui")
        self._runs_dir = runs_dir
        self._visitors = 0

    def initialize_logging(self) -> None:
        """Say what goes wrong, and nothing else."""
        logging.basicConfig(level="WARNING", format="%(message)s")

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing yet: nobody can be answered before the port is open."""

    def serve(self, debug: bool = False) -> None:
        """Serve until a signal comes, and say where the page is once it can be opened."""
        self.debug = debug
        self.initialize_logging()
        web.run_app(
            self._make_app(),
            host=self.host,
            port=self.port,
            print=self._say_where,
            access_log=None,
        )

    def _say_where(self, _: str) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        click.echo(f"a view of {self._runs_dir} is at http://{host}:{self.port}/  Ctrl+C ends it")

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(_add_policy)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse pages of other sites that reach for this one through the visitor's browser."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if is_loopback(self.host) and not is_loopback(name):
            raise web.HTTPForbidden(text="this page answers to localhost alone")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="this page is not for other sites")
        return await handler(request)

    async def handle_index(self, request: web.Request) -> Any:
        """Return the page, with links to the address that it was asked for at."""
        here = copy.copy(self)
        here.public_url = str(request.url.origin())
        return await Server.handle_index(here, request)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Start a view for a visitor, unless there are too many already."""
        if self._visitors >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VISITORS} views are open already")
        self._visitors += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self._visitors -= 1


async def _add_policy(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
