"""The Dash application over one study, and the server that shows it."""

import sys
from pathlib import Path
from typing import Any

import dash
import flask
from werkzeug.serving import make_server

from codesign.errors import StudyError
from dashboard import callbacks, layout
from dashboard.desk import Source
from dashboard.shelf import Listed, Shelf, of_storage

# Everything comes from this server; a browser that obeys this asks nobody else.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>{%metas%}<meta name="viewport" content="width=device-width, initial-scale=1"><title>{%title%}</title>
<link rel="icon" href="data:,">{%css%}</head>
<body>{%app_entry%}<footer class="hidden">{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""
LOCAL = ("127.0.0.1", "localhost", "::1")


def create_app(study: str | None, storage: str | None) -> dash.Dash:
    """The application over a storage and one study of it; what cannot be read gives a page that says so.

    Without a study the page lists those of the storage, where it holds several.
    """
    return _build(of_storage(study, storage))


def build(source: Source) -> dash.Dash:
    """The application over any source of designs."""
    name = source.read().study
    return _build(Shelf(lambda: [Listed(name, 0, (), "")], lambda _: source, name))


def _build(shelf: Shelf) -> dash.Dash:
    app = dash.Dash(
        "codesign-dashboard",
        assets_folder=str(Path(__file__).parent / "assets"),
        index_string=_PAGE,
        title="codesign",
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
    )
    app.layout = layout.shell()
    callbacks.register(app, shelf)

    @app.server.after_request
    def _guard(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return app


def serve(study: str | None, storage: str | None, host: str = "127.0.0.1", port: int = 8050) -> None:
    """Show a study until Ctrl-C. Raises StudyError where the address cannot be had."""
    run(create_app(study, storage), host, port)


def run(app: dash.Dash, host: str, port: int) -> None:
    """Serve an application until Ctrl-C; says on stderr where, and who can reach it."""
    if host in LOCAL:
        _only_local_names(app.server)
    try:
        server = make_server(host, port, app.server, threaded=True, request_handler=quiet_handler())
    except (OSError, SystemExit) as error:
        reason = getattr(error, "strerror", None) or "already in use"
        raise StudyError(
            f"dashboard: cannot listen on {host}:{port}: {reason}; choose another with --port"
        ) from None
    reach = "this machine only" if host in LOCAL else f"everyone who reaches {host}; there is no password"
    print(
        f"dashboard: http://{host}:{server.server_port} ({reach}); Ctrl-C ends it",
        file=sys.stderr,
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def _only_local_names(server: flask.Flask) -> None:
    """Refuse requests under a foreign name: a web page elsewhere could point its own name at this machine."""

    @server.before_request
    def _check() -> Any:
        name = flask.request.host.rsplit(":", 1)[0].strip("[]")
        return None if name in LOCAL else flask.abort(403)


def quiet_handler() -> type:
    """A request handler that logs errors alone."""
    from werkzeug.serving import WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if str(code).startswith("5"):
                super().log_request(code, size)

    return Quiet
