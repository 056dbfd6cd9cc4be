"""Three routes, and a counter of visits that survives having no Redis."""

import os
import socket

from flask import Flask
from redis import Redis, RedisError

store = Redis(host="redis", socket_connect_timeout=1, socket_timeout=1)
app = Flask(__name__)


@app.route("/")
def hello():
    return "Hello, World!\n"


@app.route("/name")
def name():
    return f"Hello, {os.getenv('NAME', 'World')}!\n"


@app.route("/status")
def status():
    try:
        visits = store.incr("visits")
    except RedisError:
        visits = "no Redis, not counted"
    return f"name: {os.getenv('NAME', 'World')}\nhost: {socket.gethostname()}\nvisits: {visits}\n"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
