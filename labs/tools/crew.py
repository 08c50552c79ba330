"""Who grades: this machine, several submissions at once, or a Dask cluster's workers; the rows are the same.

A worker needs this repository in the same edition (it is compared) and the environment of requirements.txt, with `distributed`:
    pip install "dtsnn-lite[cluster]"
    dask worker tcp://...:8786 --nthreads 2      started in the repository's folder
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from labs.tools.marking import Job, edition, graded
from labs.tools.table import Grade
from labs.tools.walls import UNPROTECTED, NoWall, Wall, strongest

FAILED = "its worker failed: "      # a status that says nothing about the submission: it is graded again
Way = Callable[[Sequence[Job]], Iterator[tuple[Job, Grade]]]       # how jobs become grades, in the order in which they end


def on_this_machine(wall: Wall, at_once: int = 1) -> Way:
    """So many submissions at once behind this wall."""
    def way(jobs: Sequence[Job]) -> Iterator[tuple[Job, Grade]]:
        with ThreadPoolExecutor(max(1, at_once)) as pool:
            waiting = {pool.submit(graded, job, wall): job for job in jobs}
            try:
                yield from ((waiting[done], done.result()) for done in as_completed(waiting))
            finally:
                pool.shutdown(cancel_futures=True)
    return way


def on_worker(job: Job) -> Grade:
    """A submission graded where this runs; what that machine lacks is an error of the run, not of the student."""
    if job.edition != edition():
        raise RuntimeError(f"this worker has another edition of the course ({edition()}, not {job.edition})")
    wall = NoWall() if job.unprotected else strongest()
    if wall is None:
        raise RuntimeError(UNPROTECTED)
    return graded(job, wall)


def on_cluster(scheduler: str) -> Way:
    """The workers of a Dask cluster, each with its own wall."""
    def way(jobs: Sequence[Job]) -> Iterator[tuple[Job, Grade]]:
        from distributed import Client, as_completed        # the extra [cluster]: no other part of the course needs it

        with Client(scheduler) as client:
            waiting = {future: job for future, job in zip(client.map(on_worker, jobs, pure=False), jobs, strict=True)}
            for future in as_completed(waiting):
                job, error = waiting[future], future.exception()
                yield job, replace(job.row, status=f"{FAILED}{error}") if error else future.result()
    return way
