"""The workers of a service that has several: one that dies is replaced at once."""

from __future__ import annotations

from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """Uvicorn's supervisor, for whom a worker that was killed has ended."""

    def keep_subprocess_alive(self) -> None:
        """Replace whoever has ended, or says nothing for as long as ``timeout_worker_healthcheck``.

        Uvicorn asks each whether it lives, over a pipe of which it holds both ends itself. So it would wait for the
        answer of a worker that was killed before it gave one. By now the worker has its own end.
        """
        for each in self.processes:
            each.child_conn.close()
        super().keep_subprocess_alive()
