"""Serve the read-only app to browsers, one app process per connection."""

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

MAX_CONNECTIONS = 8
"""Open browser tabs; each has a process."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is reachable from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve(runs_dir: Path, host: str, port: int) -> None:
    """Serve until a signal arrives; raises OSError where the port is not available."""
    # A shell starts the app processes with the environment of this process.
    os.environ.update(python_environment())
    AppServer(runs_dir, host, port).serve()


class AppServer(Server):
    """Serve the runs directory; each connection starts an app process."""

    def __init__(self, runs_dir: Path, host: str, port: int) -> None:
        command = ["exec", sys.executable, "-m", "tui.runtime.web_app", str(runs_dir.absolute())]
        super().__init__(shlex.join(command), host=host, port=port, title="convnext-tui")
        self._runs_dir = runs_dir
        self._connections = 0

    def initialize_logging(self) -> None:
        """Log warnings and errors only."""
        logging.basicConfig(level="WARNING", format="%(message)s")

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the port is not open yet."""

    def serve(self, debug: bool = False) -> None:
        """Serve until a signal arrives; prints the address once the port is open."""
        self.debug = debug
        self.initialize_logging()
        web.run_app(
            self._make_app(),
            host=self.host,
            port=self.port,
            print=self._print_address,
            access_log=None,
        )

    def _print_address(self, _: str) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        click.echo(
            f"{self._runs_dir} (read-only): http://{host}:{self.port}/  Press Ctrl+C to quit"
        )

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(_add_policy)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse requests that another site makes through the visitor's browser."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if is_loopback(self.host) and not is_loopback(name):
            raise web.HTTPForbidden(text="this server answers requests to localhost only")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="requests from other sites are refused")
        return await handler(request)

    async def handle_index(self, request: web.Request) -> Any:
        """Return the page, with links to the address that was requested."""
        server = copy.copy(self)
        server.public_url = str(request.url.origin())
        return await Server.handle_index(server, request)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Start an app process, unless there are too many already."""
        if self._connections >= MAX_CONNECTIONS:
            raise web.HTTPServiceUnavailable(
                text=f"all {MAX_CONNECTIONS} connections are in use; close another tab"
            )
        self._connections += 1
        try:
            return await super().handle_websocket(request)
        finally:
            self._connections -= 1


async def _add_policy(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
