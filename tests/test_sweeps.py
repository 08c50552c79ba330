"""Sweeps: the same rows whoever measures, nothing measured twice, and a number that can be made without a sweep."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.cost import exit_check_cost, inference_cost, timestep_cost
from dtsnn_lite.data import digits
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.inference import record
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.proofs import sweeps
from dtsnn_lite.proofs.stages import start_from
from dtsnn_lite.proofs.sweeps import Job, edition, grid, measured, on_cluster, on_this_machine, sweep

FEW = {"images": 20, "timesteps": 2, "thetas": (0.05, 0.3)}


def fake(job: Job) -> list[dict]:
    """What a measurement looks like, without one."""
    return [{"rows": job.rows, "converter": job.converter, "theta": theta, "edp_pj_ns": job.rows * theta / 3} for theta in job.thetas]


@pytest.fixture
def counted(monkeypatch):
    """Fake measurements, and which jobs were measured."""
    seen: list[Job] = []
    monkeypatch.setattr(sweeps, "measured", lambda job: (seen.append(job), fake(job))[1])
    return seen


@pytest.fixture
def cluster(monkeypatch):
    """A Dask client that works here, and whose jobs end in the other order."""
    class Client:
        def __init__(self, address: str) -> None:
            assert address == "tcp://here:8786"

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def map(self, work, jobs, pure):
            return [SimpleNamespace(result=lambda job=job: work(job)) for job in jobs]

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client, as_completed=reversed))
    return on_cluster("tcp://here:8786")


def test_a_row_is_what_recording_and_replaying_on_that_chip_gives():
    job = Job("digits", 32, "flash4", images=20, timesteps=2, thetas=(0.2,), gamma=0.0)
    images, labels = digits().test.images[:20], digits().test.labels[:20]
    moved = start_from(load_shipped("digits"), job.chip, digits().train.images[:100], 2).eval()
    seen = record(moved, images, labels, 2)
    run, step = replay(seen, EntropyExit(0.2)), timestep_cost(layer_shapes(moved), job.chip, seen.reads)
    row, = measured(job)
    assert (row["accuracy"], row["mean_timesteps"]) == (run.accuracy, run.mean_timesteps)
    assert row["energy_pj"] == pytest.approx(inference_cost(run.t_hat, step, exit_check_cost(job.chip)).energy_pj.mean())
    assert seen.rows == 32 and seen.reads.awake_on(job.chip.rows) is not None
    assert job.chip.rows == job.chip.cols == 32 and job.chip.readout.bits == 4


def test_two_processes_give_the_rows_of_one(tmp_path):
    jobs = grid("digits", [32, 64], ["flash5"], **FEW)
    one, two = (sweep(jobs, tmp_path / f"{n}.csv", on_this_machine(n), progress=False) for n in (1, 2))
    assert one == two and [row["rows"] for row in one] == [32, 32, 64, 64]
    assert (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()


def test_a_cluster_gives_the_rows_of_this_machine_in_the_same_order(tmp_path, counted, cluster):
    jobs = grid("digits", [32, 64], ["sa", "flash5"], **FEW)
    here, there = (sweep(jobs, tmp_path / name, way, progress=False)
                   for name, way in (("here.csv", on_this_machine()), ("there.csv", cluster)))
    assert here == there == [row for job in jobs for row in fake(job)]
    assert (tmp_path / "here.csv").read_text() == (tmp_path / "there.csv").read_text()


def test_what_the_file_holds_is_not_measured_again(tmp_path, counted):
    path, jobs = tmp_path / "sweep.csv", grid("digits", [32, 64, 128], ["sa"], **FEW)
    first = sweep(jobs[:2], path, on_this_machine(), progress=False)
    again = sweep(jobs, path, on_this_machine(), progress=False)
    assert counted == jobs and again[:4] == first and len(again) == 6


def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path, counted):
    path, jobs = tmp_path / "sweep.csv", grid("digits", [32, 64, 128], ["sa"], **FEW)

    def breaks(given):
        yield from list(on_this_machine()(given[:2]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(jobs, path, breaks, progress=False)
    assert len(list(csv.DictReader(path.open()))) == 4
    assert sweep(jobs, path, on_this_machine(), progress=False) == [row for job in jobs for row in fake(job)]
    assert counted == jobs


@pytest.mark.parametrize("other", [{"images": 30}, {"thetas": (0.05,)}, {"edition": "0.0.1"}, {"variation": 0.1}, {"seed": 3}])
def test_another_question_is_another_job(tmp_path, counted, other):
    path, (job,) = tmp_path / "sweep.csv", grid("digits", [32], ["sa"], **FEW)
    sweep([job], path, on_this_machine(), progress=False)
    sweep([replace(job, **other)], path, on_this_machine(), progress=False)
    assert counted == [job, replace(job, **other)]


def test_a_worker_of_another_edition_refuses():
    with pytest.raises(RuntimeError, match="another edition of the package"):
        measured(Job("digits", 32, "sa", edition="0.0.1"))
    assert grid("digits", [32], ["sa"])[0].edition == edition()


def test_a_drawn_chip_is_another_one_with_another_seed():
    jobs = grid("digits", [64], ["flash5"], seeds=[0, 1], variation=0.2)
    assert [job.chip.flaws.seed for job in jobs] == [0, 1] and all(job.chip.flaws.variation == 0.2 for job in jobs)


@pytest.mark.parametrize("wrong, words", [({"converter": "flash99"}, "no converter"), ({"images": 0}, "images"), ({"rows": 0}, "rows"),
                                          ({"thetas": (0.1, float("nan"))}, "theta lies in"), ({"gamma": -1.0}, "how far looks add up"),
                                          ({"thetas": ()}, "one theta or more")])
def test_an_impossible_job_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        replace(Job("digits", 32, "sa"), **wrong)


def test_a_table_that_is_none_is_refused(tmp_path, counted):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not a whole table of a sweep"):
        sweep(grid("digits", [32], ["sa"]), path, on_this_machine(), progress=False)
    assert not counted and path.read_text() == "a,b\n1,2\n"


def test_the_command_sweeps_and_says_where(tmp_path, counted, capsys):
    path = tmp_path / "new" / "sweep.csv"
    assert main(["sweep", "digits", "--rows", "32", "64", "--converters", "sa", "--thetas", "0.3", "--out", str(path),
                 "--quiet", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["chips"], said["rows"], said["least_edp"]["rows"]) == (2, 2, 32) and path.exists()


def test_jobs_and_a_cluster_at_once_are_refused(tmp_path, capsys):
    assert main(["sweep", "digits", "--jobs", "2", "--scheduler", "tcp://here:1", "--out", str(tmp_path / "x.csv")]) == 2
    assert "--jobs or --scheduler" in capsys.readouterr().err


def test_a_chip_that_is_named_twice_stands_in_the_table_once(tmp_path, counted):
    for _ in range(2):
        rows = sweep(grid("digits", [32, 32], ["sa"], [0, 0], **FEW), tmp_path / "twice.csv", on_this_machine(), progress=False)
    assert len(counted) == 1 and len(rows) == len(FEW["thetas"])
