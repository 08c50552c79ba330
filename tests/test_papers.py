"""What we reproduced: the verdicts are what the numbers say, and every published number stands where it was read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dtsnn_lite.chip import dtsnn_2023
from dtsnn_lite.comparison import compared
from dtsnn_lite.cost import StepCost, exit_check_cost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.exits import EntropyExit, OracleExit, calibrate, replay, run_of, trade_off
from dtsnn_lite.files import ASSETS
from dtsnn_lite.networks import vgg16
from dtsnn_lite.proofs import papers
from dtsnn_lite.proofs.facts import fact
from dtsnn_lite.proofs.league import cheapest
from dtsnn_lite.proofs.papers import (ADC_LESS, CIFAR10, CIFAR10_SEEDS, DIGITS, DT_SNN, HEADLINES, PROGRAMS, SEENN, SEENN_I_POINTS,
                                      SEENN_II, SEENN_II_POINT, Row, compare, edp_ratio, exit_shares, possible_edp, show, table, tally,
                                      wilson)
from dtsnn_lite.recording import shipped

ROOT = Path(__file__).resolve().parents[1]
ALL = (*DT_SNN, *SEENN, *CIFAR10, *ADC_LESS, *PROGRAMS, *DIGITS)
PAPERS_NETWORKS = {"cifar10-vgg16": "VGG-16", "cifar10-resnet19": "ResNet-19"}
ROW = Row("li2023dtsnn", "Fig. 9", "a number", (10.0, 10.0), "ms", 0.5, lambda: (10.4, 10.4), "because")


def test_every_row_names_a_source_of_the_bibliography_and_says_why():
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text("utf8"), re.M)
    assert {row.source for row in ALL} <= set(keys)
    assert all(row.where and row.why and row.published[0] <= row.published[1] for row in ALL)


def test_no_question_is_asked_twice():
    assert len({(row.what, row.where) for row in ALL}) == len(ALL)


@pytest.mark.parametrize(("ours", "verdict"), [
    ((10.5, 10.5), "reproduced"), ((9.5, 9.5), "reproduced"), ((10.500001, 10.500001), "not reproduced"), ((9.4, 10.0), "not reproduced"),
    (None, "not yet")])
def test_the_verdict_is_taken_from_unrounded_numbers(ours, verdict):
    assert replace(ROW, measure=lambda: ours).compare().verdict == verdict


def test_a_range_is_reproduced_only_if_all_of_ours_lies_in_it():
    claim = replace(ROW, published=(2.0, 7.0), tolerance=0.0)
    assert replace(claim, measure=lambda: (2.0, 7.0)).compare().verdict == "reproduced"
    assert replace(claim, measure=lambda: (1.9, 5.0)).compare().verdict == "not reproduced"


def test_other_data_get_no_verdict():
    assert replace(ROW, alike=False).compare().verdict == "not comparable"
    assert {comparison.verdict for comparison in compare(DIGITS)} == {"not comparable"}


def test_a_row_prints_more_digits_than_it_is_judged_by():
    assert replace(ROW, measure=lambda: (10.04, 10.04)).compare().cells == (
        "a number", "10\u00a0ms (Fig. 9)", "10.04\u00a0ms", "1.004", "0.5 ms", "reproduced", "because")
    assert show((2.0, 7.0), "") == "2 to 7"


def test_an_accuracy_comes_with_its_interval():
    cells = replace(ROW, unit="%", measure=lambda: (97.0, 97.0), images=1000).compare().cells
    assert cells[2] == "97\u00a0% (95 % interval 95.75 to 97.89\u00a0%, 1000 images)" and cells[4] == "0.5 points"


def test_a_range_of_accuracies_has_the_outer_ends_of_its_intervals():
    row = replace(ROW, unit="%", measure=lambda: (50.0, 97.0), images=1000).compare()
    assert row.interval == (wilson(0.5, 1000)[0], wilson(0.97, 1000)[1])
    assert "95 % intervals from 46.91 to 97.89" in row.cells[2]


def test_the_interval_by_hand_and_at_the_edges():
    assert wilson(0.5, 100) == pytest.approx((40.383, 59.617), abs=1e-3)
    assert wilson(1.0, 100)[1] == pytest.approx(100) and wilson(0.0, 100)[0] == pytest.approx(0, abs=1e-9)


def test_a_verdict_that_nothing_possible_could_change_is_none():
    row = replace(ROW, measure=lambda: (10.4, 10.4))
    assert replace(row, possible=lambda: (9.5, 10.5)).compare().verdict == "cannot fail"
    assert replace(row, possible=lambda: (9.4, 10.5)).compare().verdict == "reproduced"
    assert replace(row, possible=lambda: (9.5, 10.6), measure=lambda: (10.6, 10.6)).compare().verdict == "not reproduced"
    assert replace(row, possible=lambda: (9.4, 10.5)).compare().cells[2] == \
        "10.4\u00a0ms (possible at all: 9.4 to 10.5\u00a0ms; power 9\u00a0%)"


@pytest.mark.parametrize("mean_timesteps", [1.46, 1.27])
@pytest.mark.parametrize("gamma", [0, 1])
@pytest.mark.parametrize("network", CIFAR10_SEEDS)
def test_a_measured_histogram_has_the_published_mean(network, gamma, mean_timesteps):
    shares = exit_shares(shipped(f"{network}-test"), mean_timesteps, gamma)
    assert sum(shares) == pytest.approx(1)
    assert mean_timesteps - 3 / 10_000 <= np.dot(shares, range(1, 5)) <= mean_timesteps + 1e-9        # one image moves it by 3 at most


def test_what_a_mean_alone_allows_by_hand():
    step = StepCost(0.0, 1.0, 0.0, 1.0)                             # E D = t^2 / T^2
    low, high = possible_edp(1.5, step)                             # half leave at 1 and half at 2; or 5/6 at 1 and 1/6 at 4
    assert (low, high) == pytest.approx((100 * (1 - (5 / 6 + 16 / 6) / 16), 100 * (1 - (1 + 4) / 2 / 16)))
    assert possible_edp(1.0, step) == pytest.approx((100 * 15 / 16,) * 2) and possible_edp(4.0, step) == pytest.approx((0, 0))


@pytest.mark.parametrize(("mean_timesteps", "least", "most"), [(1.46, 76.7, 81.5), (1.27, 82.5, 85.3)])
def test_no_histogram_with_that_mean_saves_more_or_less_and_two_reach_the_ends(mean_timesteps, least, most):
    step = timestep_cost(vgg16(), dtsnn_2023)
    low, high = possible_edp(mean_timesteps, step)
    assert (low, high) == pytest.approx((least, most), abs=0.05)
    found = []
    for third in np.arange(0, 76, 3) / 300:
        for fourth in np.arange(0, 61) / 300:                       # 1 + second + 2 third + 3 fourth is the mean
            second = mean_timesteps - 1 - 2 * third - 3 * fourth
            if second >= -1e-12:
                found.append(100 * (1 - edp_ratio((1 - second - third - fourth, second, third, fourth), step)))
    assert len(found) > 50 and (min(found), max(found)) == pytest.approx((low, high))


def test_edp_by_shares_equals_edp_image_by_image():
    step, shares = StepCost(1.0, 2.0, 0.5, 1.0), (0.5, 0.25, 0.25)
    bill = inference_cost(np.array([1, 1, 2, 3]), step)
    assert edp_ratio(shares, step) == pytest.approx(bill.edp_pj_ns.mean() / static_cost(3, step).edp_pj_ns[0])


@pytest.mark.parametrize("network", PAPERS_NETWORKS)
def test_a_row_whose_recordings_do_not_ship_waits_and_is_measured_once_they_do(network, tmp_path, monkeypatch):
    row = next(row for row in DT_SNN if row.what.startswith(PAPERS_NETWORKS[network]) and "on the mean" in row.what)
    digits = papers.shipped
    monkeypatch.setattr(papers, "ASSETS", tmp_path)
    assert row.compare().verdict == "not yet"
    for split in ("calibration", "test"):
        assert row.compare().verdict == "not yet"               # one split is not enough
        (tmp_path / f"{network}-{split}.npz").touch()
    monkeypatch.setattr(papers, "shipped", lambda name: digits(name.replace(network, "digits")))
    assert row.compare().ours == pytest.approx((1.069, 1.069))
    assert row.compare().verdict == "not reproduced"


def test_a_learned_policy_waits_for_its_sweeps_and_is_chosen_on_calibration_images(tmp_path, monkeypatch):
    row = next(row for row in SEENN_II if "VGG-16, learned policy, " in row.what)
    small = papers.shipped_sweeps
    held_out, test = (small("digits-hard", split)["exact"] for split in ("calibration", "test"))
    monkeypatch.setattr(papers, "POLICIES", tmp_path)
    assert {row.compare().verdict for row in SEENN_II} == {"not yet"}
    (tmp_path / "cifar10-vgg16-test.npz").touch()
    monkeypatch.setattr(papers, "shipped_sweeps", lambda name, split: small("digits-hard", split))
    monkeypatch.setattr(papers, "shipped", lambda name: shipped(name.replace("cifar10-vgg16", "digits-hard")))
    hard = shipped("digits-hard-test")
    for budget in (1.08, 1.5, 2.0):
        best = max((k for k in range(len(held_out.prices)) if held_out.mean_timesteps[k] <= budget), key=lambda k: held_out.accuracy[k])
        right = [int(hard.predictions[t - 1, n] == hard.labels[n]) for n, t in enumerate(test.t_hat[best])]
        assert papers._policy_within("cifar10-vgg16", budget)() == pytest.approx((100 * np.mean(right),) * 2)
    assert row.compare().ours == papers._policy_within("cifar10-vgg16", 1.08)()
    with pytest.raises(ValueError, match="no policy of cifar10-vgg16 stays within 0.9 timesteps: the fewest are 1"):
        papers._policy_within("cifar10-vgg16", 0.9)()


def test_the_policies_of_both_networks_are_measured_and_none_waits():
    verdicts = {row.what: row.compare() for row in SEENN_II}
    assert "not yet" not in {comparison.verdict for comparison in verdicts.values()}
    for network in ("cifar10-vgg16", "cifar10-small"):                          # what the reasons say
        held_out, sweep = (papers.shipped_sweeps(network, split)["exact"] for split in ("calibration", "test"))
        within = sweep.t_hat[held_out.mean_timesteps <= SEENN_II_POINT[0]]
        assert len(within) and (within == 1).all()
    held_out, sweep = (papers.shipped_sweeps("cifar10-resnet19-held-out", split)["exact"] for split in ("calibration", "test"))
    within = np.flatnonzero(held_out.mean_timesteps <= SEENN_II_POINT[0])
    best = within[held_out.accuracy[within].argmax()]
    assert len(within) == 4 and (sweep.t_hat[best] == 1).all() and not (sweep.t_hat[within] == 1).all()
    for name, network in (("ResNet-19", "cifar10-resnet19"), ("VGG-16", "cifar10-vgg16")):
        at_once = 100 * shipped(f"{network}-test").accuracy[0]
        assert verdicts[f"{name}, learned policy, accuracy within 1.08 timesteps"].ours == pytest.approx((at_once,) * 2)
        assert verdicts[f"{name}, the same policy, mean timesteps"].ours == (1.0, 1.0)
    (waits,) = within[(sweep.t_hat[within] > 1).any(axis=1)]
    assert np.rint(5000 * (held_out.accuracy[best] - held_out.accuracy[waits])) == 1        # "one image of 5,000 ahead"
    run = run_of(sweep.t_hat[waits], shipped("cifar10-resnet19-test"))
    assert abs(run.t_hat.mean() - SEENN_II_POINT[0]) < 0.05
    assert [fact(f"cifar10.resnet19.seenn2.waits.{what}").value for what in ("accuracy", "mean_timesteps")] == pytest.approx(
        [100 * run.correct.mean(), run.t_hat.mean()])


@pytest.mark.parametrize("network", PAPERS_NETWORKS)
def test_the_reasons_for_the_papers_networks_are_what_was_measured(network):
    """Minutes, images that went through JPEG, who waits to the end, what no exit could reach."""
    card, seen = json.loads((ASSETS / f"{network}.json").read_text("utf8")), shipped(f"{network}-test")
    assert card["seconds"] < 600 and "cuda" in card["command"] and len(card["loss"]) < 100 and "JPEG" in card["dataset"]
    left = replay(seen, calibrate(shipped(f"{network}-calibration"), EntropyExit, max_drop=0.0)).histogram
    assert left[-1] > left[1:].sum() / 2                                    # on the mean, most who stay stay to the end
    assert 100 * replay(seen, OracleExit(seen.labels)).accuracy < min(accuracy for _, accuracy in (*SEENN_I_POINTS, SEENN_II_POINT)) - 0.5
    for row in DT_SNN:
        if row.what.startswith(PAPERS_NETWORKS[network]) and "exit on" in row.what:
            assert "JPEG" in row.why and ("to the end" in row.why) == ("exit on the mean" in row.what)


@pytest.mark.parametrize("network", PAPERS_NETWORKS)
def test_the_score_moves_a_papers_network_in_the_direction_of_the_paper(network):
    name, (_, steps, saved) = PAPERS_NETWORKS[network], HEADLINES[network]
    ours = {c.row.what: c.ours[0] for c in compare(DT_SNN) if c.row.what.startswith(name) and c.ours}
    waits = {score: ours[f"{name}, entropy exit on {score}, mean timesteps, nothing lost on calibration images"] for score in papers.SCORES}
    keeps = {score: ours[f"{name}, EDP saved by the exit on {score}, nothing lost on calibration images"] for score in papers.SCORES}
    assert steps < waits["a calibrated gamma"] < waits["the sum"] < waits["the mean"] - 0.1
    assert saved > keeps["the sum"] > keeps["the mean"] + 5
    seen, before = shipped(f"{network}-test"), shipped(f"{network}-calibration")
    for score, gamma in (("the mean", 0.0), ("the sum", 1.0)):
        run = replay(seen, calibrate(before, EntropyExit, max_drop=0.0, gamma=gamma))
        assert waits[score] == run.t_hat.mean() and abs(run.accuracy - seen.accuracy[-1]) < 0.001
        step, check = timestep_cost(papers.SHAPES[network](), dtsnn_2023), exit_check_cost(dtsnn_2023)
        edp = [(step.fixed_pj + t * (step.step_pj + check.energy_pj)) * t * (step.step_ns + check.latency_ns) for t in run.t_hat]
        assert keeps[score] == pytest.approx(100 * (1 - np.mean(edp) / ((step.fixed_pj + 4 * step.step_pj) * 4 * step.step_ns)))


def test_what_the_chapter_says_of_the_verdicts_on_the_papers_networks():
    of_network = {name: [c for c in compare(ALL) if c.row.what.startswith(name) and c.ours and "exit on" in c.row.what]
                  for name in PAPERS_NETWORKS.values()}
    assert {name: len(rows) for name, rows in of_network.items()} == {"VGG-16": 12, "ResNet-19": 12}
    hits = [c.row.what for rows in of_network.values() for c in rows if c.verdict == "reproduced"]
    assert hits == ["ResNet-19, entropy exit on the sum, mean timesteps at the accuracy of 4, in hindsight"]
    headlines = [c for c in compare(DT_SNN) if c.row.what.startswith(tuple(PAPERS_NETWORKS.values())) and "entropy exit" in c.row.what
                 or "saved by the exit" in c.row.what]
    assert len(headlines) == 16 and sum(c.verdict == "reproduced" for c in headlines) == 1


def test_another_reading_of_nothing_lost_would_reproduce_resnet_19_on_the_mean_and_cost_test_images():
    """The least waiting of all thresholds that lose nothing on calibration images, also behind some that do."""
    seen, before, steps = shipped("cifar10-resnet19-test"), shipped("cifar10-resnet19-calibration"), HEADLINES["cifar10-resnet19"][1]
    run = replay(seen, cheapest(before, before.accuracy[-1]))
    assert abs(run.mean_timesteps - steps) < 0.1
    assert compared(run, run_of(np.full(seen.images, 4), seen)).p < 0.02 and run.accuracy < seen.accuracy[-1] - 0.003
    careful = calibrate(before, EntropyExit, max_drop=0.0)
    riskier = [theta for theta in trade_off(before, EntropyExit).thresholds if careful.theta < theta < 2 * careful.theta]
    assert min(replay(before, EntropyExit(theta)).accuracy for theta in riskier[:200]) < before.accuracy[-1]


def test_the_energy_line_of_the_figure_and_the_abstracts_of_dt_snn_fit_together():
    verdicts = {c.row.what: c.verdict for c in compare(DT_SNN)}
    assert verdicts["EDP saved at 1.46 timesteps, by arithmetic, exits on the sum"] == "reproduced"
    assert verdicts["EDP saved at 1.46 timesteps, by arithmetic, exits on the mean"] == "reproduced"
    small = [papers._edp_by_arithmetic(network, 1.46, gamma=0)()[0] for network in CIFAR10_SEEDS]
    assert 77.7 < min(small) and max(small) < 78, "with its exits the row on the mean would miss, by a quarter of a point at most"
    assert verdicts["EDP saved at 1.27 timesteps, by arithmetic, exits on the sum"] == "cannot fail"
    assert verdicts["VGG-16, energy at T = 8 over T = 1"] == "not reproduced"
    assert verdicts["VGG-16, share of crossbar and ADC"] == "not reproduced"


def test_each_question_of_cifar_10_is_asked_of_the_mean_and_of_the_sum():
    measured = compare(CIFAR10)
    for what in ("mean timesteps, nothing lost", "in hindsight", "EDP saved by the exit", "1.20 timesteps", "1.09 timesteps"):
        asked = {word: c.ours for c in measured for word in ("the mean", "the sum") if what in c.row.what and f"on {word}" in c.row.what}
        assert len(asked) == 2
        if "timesteps," in what or "hindsight" in what:
            assert asked["the sum"][1] < asked["the mean"][0]                   # both seeds of one below both of the other
        else:
            assert asked["the sum"][0] > asked["the mean"][0] and asked["the sum"][1] > asked["the mean"][1]


def test_the_power_of_a_row_is_the_share_of_its_premises_that_would_have_missed():
    def row(published: float, tolerance: float) -> Row:
        return Row("li2023dtsnn", "by hand", "saved", (published, published), "%", tolerance, lambda: (80, 80), "",
                   possible=lambda: (70, 90))

    assert row(80, 2).power == pytest.approx(1 - 4 / 20)                     # 78 to 82 of 70 to 90
    assert row(71, 2).power == pytest.approx(1 - 3 / 20)                     # 70 to 73
    assert row(50, 2).power == 1 and row(80, 20).power == 0
    assert row(80, 20).compare().verdict == "cannot fail" and "power 80" in row(80, 2).compare().cells[2]
    assert {each.power for each in ALL if each.possible is None} == {None}


def test_the_gains_of_adc_less_lie_in_the_published_ranges():
    assert {c.verdict for c in compare(ADC_LESS)} == {"reproduced"}


def test_a_table_has_a_line_for_each_row_and_says_each_reason_once():
    rows, notes = table(compare(ALL)).strip().split("\n\n")
    lines = rows.splitlines()
    assert len(lines) == 2 + len(ALL) and {line.count("|") for line in lines} == {8}
    assert len(notes.splitlines()) == len({row.why for row in ALL})
    assert lines[-1].endswith(f"({len(notes.splitlines())}) |")


def test_a_tally_counts_every_row():
    assert sum(tally(compare(ALL)).values()) == len(ALL)


def test_the_verdicts_that_the_first_page_names_are_given_today():
    """The landing page says which rows the tables contain."""
    intro = "".join(line for cell in json.loads((ROOT / "book/intro.ipynb").read_text("utf8"))["cells"] for line in cell["source"])
    named = re.findall(r"\*([a-z ]+)\*", re.search(r"The tables of checks contain rows that say (.*)\.", intro)[1])
    counted = tally(compare(ALL))
    assert named and all(counted[verdict] > 0 for verdict in named), (named, counted)
