"""What do I see? The dashboard over a running or finished study."""

from typing import Any


def serve(
    study: str | None, storage: str | None, host: str = "127.0.0.1", port: int = 8050, example: bool = False
) -> None:
    """Show a study in the browser until Ctrl-C, or the recorded one that ships; see `dashboard.app.serve`."""
    from dashboard.app import serve as start

    if example:
        from dashboard import recorded

        study, storage = None, recorded.storage()
    start(study, storage, host, port)


def create_app(study: str | None, storage: str | None) -> Any:
    """The Dash application over a study; see `dashboard.app.create_app`."""
    from dashboard.app import create_app as create

    return create(study, storage)
