"""Says every second how many visits there were in the last minute."""

import time
from collections import deque

from redis import RedisError

from store import connect

store = connect()
counts = deque(maxlen=61)
while True:
    try:
        counts.append(int(store.get("visits") or 0))
        store.set("last_minute", counts[-1] - counts[0])
    except RedisError as error:
        print(error, flush=True)
    time.sleep(1)
