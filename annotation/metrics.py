"""What this instance counts for Prometheus. Every process counts for itself; `/metrics` adds them up.

Count after the commit, never before: a count cannot be rolled back. One call costs 2 to 3 µs. With
PROMETHEUS_MULTIPROC_DIR in the environment the counts lie in files of that folder, one for each process.
Labels come from short lists of ours (route names, states, reasons), never from what somebody sent: each
combination is a series that Prometheus keeps.
"""

import functools

from prometheus_client import Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

requests = Counter("concord_requests", "Requests that were answered.", ["route", "method", "status"])
request_seconds = Histogram(
    "concord_request_seconds",
    "From a request's arrival to its answer's first byte.",
    ["route"],
    buckets=SECONDS,
)
leases = Counter("concord_leases", "Calls for work: leased, or why there was none.", ["outcome"])
submits = Counter("concord_submits", "Answers that were taken, by what became of them.", ["state", "replay"])
sweeps = Counter("concord_sweeps", "Sweeps, by how they ended.", ["outcome"])
leases_expired = Counter("concord_leases_expired", "Leases that ran out and were freed by the sweep.")
jobs_sent_again = Counter("concord_jobs_sent_again", "Jobs whose message the sweep sent again.")
jobs_ended = Counter("concord_jobs_ended", "Runs of background jobs, by how they ended.", ["kind", "state"])


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """An answered request. `route`: the name in the URL conf, or "none" when no route matched."""
    answered, timed = _series_of(route, method if method in METHODS else "other", status)
    answered.inc()
    timed.observe(seconds)


@functools.cache  # as bounded as the labels are; finding a series costs as much as counting in it
def _series_of(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return requests.labels(route, method, status), request_seconds.labels(route)


def count_lease(outcome: str) -> None:
    """A call for work was answered: "leased" (a held one shown again too), or the reason why there was none."""
    leases.labels(outcome).inc()


def count_submit(state: str, *, is_replay: bool) -> None:
    """An answer was acknowledged as accepted, late or released; `is_replay`: with the reply it got before."""
    submits.labels(state, "yes" if is_replay else "no").inc()


def count_sweep(*, freed: int, sent_again: int, has_failed: bool) -> None:
    """A sweep came to its end: how many leases it freed, and how many jobs it sent again."""
    leases_expired.inc(freed)
    jobs_sent_again.inc(sent_again)
    sweeps.labels("failed" if has_failed else "done").inc()


def count_job(kind: str, state: str) -> None:
    """A run of a job of `kind` ended as succeeded, failed, cancelled or taken over."""
    jobs_ended.labels(kind, state).inc()
