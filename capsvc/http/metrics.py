"""Metrics: what all processes of the home counted, in Prometheus' text format. No label is of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

import capsvc
from capsvc.acts import ACTS
from capsvc.counters import ANSWERS, HASHING_NS, LOGINS, PROOFS, READINGS, RUNNING, VERIFYING_NS, WAITING, Sums
from capsvc.errors import StoreUnavailable
from capsvc.http.service import Service
from capsvc.keyring import PENDING, RETIRED, SIGNING, VERIFYING
from capsvc.outcomes import OUTCOMES

_SECOND = 1e9
_GROUPS = (
    ("outcomes", "capsvc_verifications", "Verifications, by how they ended", "outcome", OUTCOMES),
    ("proofs", "capsvc_proofs", "Chains proven, by what of them was remembered", "remembered", PROOFS),
    ("readings", "capsvc_salt_readings", "Looks into the salt column, by where they were answered", "source", READINGS),
    ("logins", "capsvc_logins", "Logins, by whether user and password belonged together", "result", LOGINS),
    ("acts", "capsvc_acts", "What was done, as the audit log names it", "act", ACTS),
    ("answers", "capsvc_http_answers", "Answers over HTTP, by class of status", "status", ANSWERS),
)


class Metrics(Collector):
    """The endpoint for metrics. It sums what processes count themselves, and asks the store what stands there."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._one_at_a_time = CapacityLimiter(1)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def show(self, request: Request) -> Response:
        """``GET /metrics``."""
        text = await to_thread.run_sync(generate_latest, self._registry, limiter=self._one_at_a_time)
        return Response(text, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: what there is, is known once it is collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Collect all. What the store cannot say is left out."""
        sums, processes = self._service.counters.sums()
        for group, name, text, label, values in _GROUPS:
            counter = CounterMetricFamily(name, text, labels=[label])
            for value, count in zip(values, sums[group], strict=True):
                counter.add_metric([value], count)
            yield counter
        yield _histogram("capsvc_verification_seconds", "How long verifications took", VERIFYING_NS, sums["verifying"])
        yield _histogram("capsvc_hash_seconds", "How long slow hashes took", HASHING_NS, sums["hashing"])
        yield from _queue(sums)
        yield CounterMetricFamily("capsvc_audit_unwritten", "Acts that are not in the audit log", sums["unrecorded"][0])
        yield GaugeMetricFamily("capsvc_processes", "Processes that serve this home", processes)
        build = GaugeMetricFamily("capsvc_build", "The version that answers", labels=["version"])
        build.add_metric([capsvc.__version__], 1)
        yield build
        yield from self._stored()

    def _stored(self) -> Iterator[Metric]:
        store = self._service.store
        try:
            revision, keys = store.revision(), store.keys()[1]
        except StoreUnavailable:
            return
        yield GaugeMetricFamily("capsvc_revision", "The revision of the salt column", revision)
        family = GaugeMetricFamily("capsvc_ring_keys", "Keys of the ring, by state", labels=["state"])
        for state in (PENDING, SIGNING, VERIFYING, RETIRED):
            family.add_metric([state], sum(key.state == state for key in keys))
        yield family


def _queue(sums: Sums) -> Iterator[Metric]:
    family = GaugeMetricFamily("capsvc_hash_queue", "Slow hashes that wait for a slot or run on one", labels=["state"])
    family.add_metric(["waiting"], sums["queue"][WAITING])
    family.add_metric(["running"], sums["queue"][RUNNING])
    yield family
    text = "Slow hashes that were refused because too many waited"
    yield CounterMetricFamily("capsvc_hashes_turned_away", text, sums["turned_away"][0])


def _histogram(name: str, text: str, bounds: Sequence[int], cells: Sequence[int]) -> Metric:
    """Make a histogram, whose buckets count what is in the smaller ones too."""
    *counts, nanoseconds = cells
    names = [*(str(bound / _SECOND) for bound in bounds), "+Inf"]
    buckets = [(bucket, float(sum(counts[: at + 1]))) for at, bucket in enumerate(names)]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=nanoseconds / _SECOND)
