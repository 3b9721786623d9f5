"""RQ and Celery, two task queues, and `limits`, a rate limiter: each with its usual store.

Environment: PORT, USERNAME, PASSWORD.
"""

import os

import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from rq import Queue, SimpleWorker

PORT, USER, PASSWORD = os.environ["PORT"], os.environ["USERNAME"], os.environ["PASSWORD"]
URL = f"redis://{USER}:{PASSWORD}@127.0.0.1:{PORT}/0"


def with_rq():
    """RQ names its keys itself."""
    connection = redis.Redis.from_url(URL)
    queue = Queue("mail", connection=connection)
    jobs = [queue.enqueue(divmod, number, 7) for number in range(20)]
    jobs.append(queue.enqueue(divmod, 1, 0))
    SimpleWorker([queue], connection=connection).work(burst=True, logging_level="WARNING")
    for number, job in enumerate(jobs[:-1]):
        job.refresh()
        assert job.is_finished, job.get_status()
        assert tuple(job.return_value()) == divmod(number, 7)
    jobs[-1].refresh()
    assert jobs[-1].is_failed
    assert len(queue) == 0
    queue.delete(delete_jobs=True)


def with_celery():
    """A worker in this process, results in the same server."""
    app = Celery("tasks", broker=URL, backend=URL)
    app.conf.worker_hijack_root_logger = False

    @app.task(name="add")
    def add(a, b):
        return a + b

    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        results = [add.delay(number, 1) for number in range(20)]
        assert [result.get(timeout=60) for result in results] == list(range(1, 21))
        chain = (add.s(1, 2) | add.s(3)).apply_async()
        assert chain.get(timeout=60) == 6


def with_limits():
    """Windows that stand, and windows that move: the second are a script."""
    storage = storage_from_string(URL, key_prefix=f"{USER}:limits")
    for strategy in (FixedWindowRateLimiter, MovingWindowRateLimiter):
        limiter, limit = strategy(storage), parse("3 per hour")
        assert [limiter.hit(limit, strategy.__name__) for _ in range(5)] == [True] * 3 + [False] * 2
        assert limiter.get_window_stats(limit, strategy.__name__).remaining == 0
        limiter.clear(limit, strategy.__name__)
        assert limiter.hit(limit, strategy.__name__)


with_rq()
with_limits()
with_celery()
print("tasks: done")
