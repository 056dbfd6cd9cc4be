"""The Redis of this project, and the password that Compose puts into a file."""

from redis import Redis


def connect():
    with open("/run/secrets/redis_password", encoding="utf-8") as f:
        password = f.read().strip()
    return Redis(host="redis", password=password, decode_responses=True, socket_connect_timeout=2, socket_timeout=2)
