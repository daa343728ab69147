"""The routes. Everything served is made elsewhere and cached; a request reads no store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from labelmon import __version__
from labelmon.exporter import Publisher


class Service(Protocol):
    """What the routes need of the daemon."""

    publisher: Publisher

    @property
    def ready(self) -> bool: ...

    def reload(self) -> str: ...

    def status(self) -> dict[str, object]: ...

    def gate(
        self, dataset: str, slo: str | None, stage: str | None, budget: str | None
    ) -> tuple[int, dict[str, object]]: ...

    def runbooks(self) -> Mapping[str, str]: ...


def create_app(service: Service, *, lifecycle: bool) -> FastAPI:  # noqa: C901  a list of routes
    """The ASGI app over a running service; `lifecycle` allows POST /-/reload."""
    app = FastAPI(title="labelmon", version=__version__, docs_url=None, redoc_url=None)

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """The current snapshot, in the text format or OpenMetrics."""
        snapshot = service.publisher.snapshot
        if snapshot is None:
            return PlainTextResponse("no snapshot yet\n", status_code=503)
        body, kind, encoding = snapshot.body(
            request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
        )
        headers = {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"}
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(body, headers=headers)

    @app.get("/-/healthy", response_class=PlainTextResponse)
    def healthy() -> str:
        """200 while the process runs, whatever its stores do."""
        return "labelmon is healthy.\n"

    @app.get("/-/ready", response_class=PlainTextResponse)
    def ready() -> Response:
        """200 once the config is loaded and a first snapshot is out."""
        if service.ready:
            return PlainTextResponse("labelmon is ready.\n")
        return PlainTextResponse("labelmon is not ready: no snapshot yet.\n", status_code=503)

    @app.post("/-/reload", response_class=PlainTextResponse)
    def reload() -> Response:
        """Takes up the config file again; 500 with the problems when it is refused."""
        if not lifecycle:
            return PlainTextResponse(
                "Lifecycle API is not enabled: start with --web.enable-lifecycle.\n", status_code=403
            )
        problem = service.reload()
        return PlainTextResponse(f"{problem}\n" if problem else "", status_code=500 if problem else 200)

    @app.get("/api/v1/status")
    def status() -> JSONResponse:
        """Every dataset with its checks, measurements and objectives, and why what is off is off."""
        return JSONResponse(service.status())

    @app.get("/api/v1/gate/{dataset}")
    def gate(dataset: str, slo: str | None = None, stage: str | None = None, budget: str | None = None) -> JSONResponse:
        """May a rollout (or a `stage` of it, within its share `budget`) go on? 200 go, 503 pause, 424 nobody knows."""
        code, body = service.gate(dataset, slo, stage, budget)
        return JSONResponse(body, status_code=code)

    @app.get("/runbooks/{name}", response_class=PlainTextResponse)
    def runbook(name: str) -> Response:
        """The runbook of an alert, as Markdown: where `urls.runbooks` points unless configured otherwise."""
        pages = service.runbooks()
        if name not in pages:
            known = ", ".join(sorted(pages))
            return PlainTextResponse(f"no runbook of this name; there are: {known}\n", status_code=404)
        return Response(pages[name], media_type="text/markdown; charset=utf-8")

    return app
