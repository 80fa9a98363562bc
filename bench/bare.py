"""The baseline of `startup`: the smallest FastAPI app, its server started in code."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the server is ready."""
    return {"status": "ok"}


def serve(application: FastAPI) -> None:
    """Serve on the port given on the command line, with the settings the sandbox uses."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    serve(app)
