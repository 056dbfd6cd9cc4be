"""A page that counts its visits."""

import os
import socket

from flask import Flask, send_file
from redis import RedisError

from store import connect

store = connect()
app = Flask(__name__)


def answer(count):
    """What there is to say, with what count() gives; 503 while Redis is away."""
    try:
        visits = count()
        return {
            "name": os.getenv("NAME", "World"),
            "host": socket.gethostname(),
            "visits": int(visits or 0),
            "last_minute": int(store.get("last_minute") or 0),
        }
    except RedisError as error:
        return {"host": socket.gethostname(), "error": str(error)}, 503


@app.get("/")
def page():
    return send_file("page.html")


@app.post("/visit")
def visit():
    return answer(lambda: store.incr("visits"))


@app.get("/status")
def status():
    return answer(lambda: store.get("visits"))


@app.get("/health")
def health():
    return answer(store.ping)


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
