"""A recording keeps what the network said, and a damaged one says so without running anything."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from dtsnn_lite.exits import run_of
from dtsnn_lite.files import ASSETS
from dtsnn_lite.guards import checked_steps
from dtsnn_lite.recording import Answers, Recording, shipped, shipped_answers

RNG = np.random.default_rng(3)


def a_recording(timesteps: int = 3, images: int = 7, classes: int = 4) -> Recording:
    return Recording(RNG.normal(size=(timesteps, images, classes)), RNG.integers(0, classes, images),
                     RNG.random((timesteps, 2)), {"network": "random", "seed": 3},
                     densities=RNG.random((timesteps, 3)), awake=np.ones((timesteps, 3)), rows=32)


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


# --- what it is -----------------------------------------------------------------

def test_predictions_and_accuracy_by_hand():
    f = np.array([[[2, 1], [0, 3]], [[1, 2], [0, 3]]], float)      # T = 2, N = 2, K = 2
    seen = Recording(f, np.array([1, 1]), np.zeros((2, 1)))
    assert (seen.timesteps, seen.images, seen.classes) == (2, 2, 2)
    assert seen.predictions.tolist() == [[0, 1], [1, 1]]
    assert seen.correct.tolist() == [[False, True], [True, True]]
    assert seen.accuracy.tolist() == [1 / 2, 2 / 2]


def test_a_subset_keeps_its_images_together():
    seen, index = a_recording(), np.array([5, 0, 2])
    part = seen.subset(index)
    assert np.array_equal(part.f, seen.f[:, index])
    assert np.array_equal(part.labels, seen.labels[index])
    assert np.array_equal(part.correct, seen.correct[:, index])
    assert np.array_equal(part.densities, seen.densities) and np.array_equal(part.awake, seen.awake) and part.rows == 32


def test_what_follows_from_the_logits_is_computed_once():
    seen = a_recording()
    assert seen.predictions is seen.predictions and seen.correct is seen.correct and seen.accuracy is seen.accuracy
    other = seen.subset(np.array([2, 1]))
    assert np.array_equal(other.predictions, seen.predictions[:, [2, 1]])       # a new recording computes its own


@pytest.mark.parametrize("name", ["f", "labels", "spike_rates", "densities", "awake", "predictions", "correct", "accuracy"])
def test_nothing_that_an_answer_hangs_on_can_be_written(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(a_recording(), name)[...] = 0


def test_who_hands_arrays_in_may_go_on_writing_his_own():
    f, labels, rates = np.zeros((1, 2, 3), np.float32), np.array([0, 1]), np.zeros((1, 1), np.float32)
    read, awake = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    seen = Recording(f, labels, rates, densities=read, awake=awake)
    f[0, 0, 0], labels[0], rates[0, 0], read[0, 0], awake[0, 0] = 1, 2, 0.5, 0.5, 0.5
    assert (f[0, 0, 0], labels[0], rates[0, 0]) == (1, 2, 0.5)
    assert not any(held.any() for held in (seen.f, seen.spike_rates, seen.densities, seen.awake)) and seen.labels.tolist() == [0, 1]


# --- on disk --------------------------------------------------------------------

def test_saving_and_loading_changes_only_the_rounding_to_half_precision(tmp_path):
    seen = a_recording()
    seen.save(tmp_path / "a.npz")
    back = Recording.load(tmp_path / "a.npz")
    assert np.array_equal(back.f, seen.f.astype(np.float16))
    assert np.array_equal(back.labels, seen.labels)
    assert np.array_equal(back.spike_rates, seen.spike_rates)
    assert np.array_equal(back.densities, seen.densities) and np.array_equal(back.awake, seen.awake) and back.rows == seen.rows == 32
    assert back.about == seen.about


def test_a_file_of_an_earlier_edition_is_billed_by_the_spikes_that_were_fired(tmp_path):
    seen = a_recording()
    np.savez(tmp_path / "old.npz", f=seen.f, labels=seen.labels, spike_rates=seen.spike_rates, about=json.dumps({}))
    old = Recording.load(tmp_path / "old.npz")
    assert old.densities is None and old.awake is None and old.reads.awake is None
    assert np.allclose(old.reads.densities, seen.spike_rates)
    old.save(tmp_path / "again.npz")
    assert Recording.load(tmp_path / "again.npz").densities is None
    assert np.allclose(seen.reads.densities, seen.densities) and np.allclose(seen.reads.awake_on(32), seen.awake)


@pytest.mark.parametrize("f", [[2048, 2049], [70_000, 1]], ids=["close", "large"])
def test_half_precision_never_changes_an_answer(tmp_path, f):
    seen = Recording(np.array([[f]], float), np.array([1]), np.zeros((1, 1)))
    seen.save(tmp_path / "a.npz")
    assert np.array_equal(Recording.load(tmp_path / "a.npz").f, seen.f)


def test_a_thousand_classes_and_more_keep_their_labels(tmp_path):
    seen = Recording(np.zeros((1, 2, 70_000)), np.array([40_000, 69_999]), np.zeros((1, 1)))
    seen.save(tmp_path / "a.npz")
    assert Recording.load(tmp_path / "a.npz").labels.tolist() == [40_000, 69_999]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("dtsnn_lite.files.np.savez_compressed", full)
    with pytest.raises(OSError, match="no space left"):
        a_recording().save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_second_round_trip_changes_nothing(tmp_path):
    a_recording().save(tmp_path / "a.npz")
    once = Recording.load(tmp_path / "a.npz")
    once.save(tmp_path / "b.npz")
    assert np.array_equal(Recording.load(tmp_path / "b.npz").f, once.f)


def test_the_file_is_written_under_the_name_that_was_asked_for(tmp_path):
    a_recording().save(tmp_path / "named-without-ending")
    assert [p.name for p in tmp_path.iterdir()] == ["named-without-ending"]
    assert Recording.load(tmp_path / "named-without-ending").images == 7


def test_a_recording_that_cannot_be_saved_leaves_the_old_file_whole(tmp_path):
    seen = a_recording()
    seen.save(tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        Recording(seen.f, seen.labels, seen.spike_rates, {"seed": object()}).save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_missing_recording_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m dtsnn_lite record"):
        Recording.load(tmp_path / "none.npz")


@pytest.mark.parametrize("keep", [0, 10, 200, 0.5, -1])
def test_a_truncated_recording_is_refused(tmp_path, keep):
    path = tmp_path / "a.npz"
    a_recording(images=200).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match="is not a whole recording .* make it again or fetch it again"):
        Recording.load(path)


def test_a_flipped_byte_in_the_logits_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    a_recording(images=200).save(path)
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="is not a whole recording"):
        Recording.load(path)


@pytest.mark.parametrize("missing", ["f", "labels", "spike_rates", "about"])
def test_a_recording_without_one_of_its_parts_is_refused(tmp_path, missing):
    parts = dict(f=np.zeros((1, 2, 2)), labels=np.array([0, 1]), spike_rates=np.zeros((1, 1)), about=json.dumps({}))
    np.savez(tmp_path / "a.npz", **{k: v for k, v in parts.items() if k != missing})
    with pytest.raises(ValueError, match=f"is not a whole recording .*{missing}"):
        Recording.load(tmp_path / "a.npz")


def test_a_pickle_hidden_in_a_recording_never_runs(tmp_path):
    path, mark = tmp_path / "a.npz", tmp_path / "the bomb went off"
    np.savez(path, f=np.array([Bomb(mark)], dtype=object), labels=np.array([0]),
             spike_rates=np.zeros((1, 1)), about=json.dumps({}))
    with pytest.raises(ValueError, match="is not a whole recording .*holds a pickle, which is never opened"):
        Recording.load(path)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as z:      # the bomb is real: who unpickles it sets it off
        z["f"]
    assert mark.exists()


@pytest.mark.parametrize("wrap", ["plain", "zip"])
def test_a_pickle_in_the_place_of_a_recording_never_runs(tmp_path, wrap):
    path, mark = tmp_path / "a.npz", tmp_path / "the bomb went off"
    payload = pickle.dumps(Bomb(mark))
    if wrap == "plain":
        path.write_bytes(payload)
    else:
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("f.npy", payload)
    with pytest.raises(ValueError, match="is not a whole recording"):
        Recording.load(path)
    assert not mark.exists()


# --- bad input ------------------------------------------------------------------

GOOD = dict(f=np.zeros((2, 3, 4)), labels=np.array([0, 1, 2]), spike_rates=np.zeros((2, 1)))


@pytest.mark.parametrize("change, message", [
    (dict(f=np.zeros((3, 4))), r"f is \(timesteps, images, classes\).* got shape \(3, 4\)"),
    (dict(f=np.zeros((0, 3, 4))), r"each at least 1; got shape \(0, 3, 4\)"),
    (dict(f=np.zeros((2, 0, 4)), labels=np.zeros(0, int)), r"each at least 1; got shape \(2, 0, 4\)"),
    (dict(f=np.full((2, 3, 4), np.nan)), "f holds NaN or infinity"),
    (dict(f=np.full((2, 3, 4), np.inf)), "f holds NaN or infinity"),
    (dict(labels=np.array([0, 1])), r"labels is \(3,\), one an image; got shape \(2,\)"),
    (dict(labels=np.array([0, 1, 4])), r"labels lie in \[0, 4\); got 0 to 4"),
    (dict(labels=np.array([0, 1, -1])), r"labels lie in \[0, 4\); got -1 to 1"),
    (dict(spike_rates=np.zeros((3, 1))), r"spike_rates is \(timesteps=2, layers\); got shape \(3, 1\)"),
    (dict(spike_rates=np.full((2, 1), np.nan)), r"in \[0, 1\]; got nan"),
    (dict(spike_rates=np.full((2, 1), 1.5)), r"in \[0, 1\]; got 1.5 to 1.5"),
    (dict(densities=np.ones((2, 2))), "densities and awake are measured together: give both or neither"),
    (dict(awake=np.ones((2, 2))), "give both or neither"),
    (dict(densities=np.ones((3, 2)), awake=np.ones((3, 2))), r"\(timesteps=2, layers\); got densities of shape \(3, 2\)"),
    (dict(densities=np.ones((2, 2)), awake=np.ones(2)), r"\(timesteps=2, layers\); got awake of shape \(2,\)"),
    (dict(densities=np.full((2, 2), 1.5), awake=np.ones((2, 2))), "share of spikes"),
    (dict(densities=np.full((2, 2), 0.5), awake=np.full((2, 2), 0.4)), "awake at least as often as one of its rows spikes"),
    (dict(densities=np.full((2, 2), 0.5), awake=np.ones((2, 2)), rows=0), "rows is a whole number"),
])
def test_wrong_arrays_are_refused_with_their_reason(change, message):
    with pytest.raises(ValueError, match=message):
        Recording(**{**GOOD, **change})


def test_what_is_said_about_a_recording_is_a_dict():
    with pytest.raises(TypeError, match="about is a dict"):
        Recording(**GOOD, about=["digits"])


@pytest.mark.parametrize("t_hat, message", [
    ([0, 1, 2], "whole timesteps, 1 or more"), ([1.0, 1.0, 1.0], "whole timesteps"), ([], "whole timesteps"),
    ([1, 2], r"t_hat is \(3,\), one exit step an image; got shape \(2,\)"), ([1, 2, 5], "t_hat lies in 1 to T = 4; got 5")])
def test_exit_steps_that_no_image_can_have_are_refused(t_hat, message):
    with pytest.raises(ValueError, match=message):
        checked_steps(np.array(t_hat), images=3, timesteps=4)


def test_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="labels are class numbers .* got float64"):
        Recording(**{**GOOD, "labels": np.array([0.0, 1.0, 2.0])})


# --- answers alone ----------------------------------------------------------------

def test_answers_say_what_their_recording_says_but_not_how_surely(tmp_path):
    seen = a_recording()
    seen.answers().save(tmp_path / "a-answers.npz")
    for answers in (seen.answers(), Answers.load(tmp_path / "a-answers.npz")):
        assert np.array_equal(answers.correct, seen.correct) and np.array_equal(answers.accuracy, seen.accuracy)
        assert np.array_equal(answers.reads.densities, seen.reads.densities) and np.array_equal(answers.reads.awake_on(32), seen.awake)
        assert (answers.timesteps, answers.images, answers.about) == (seen.timesteps, seen.images, seen.about)
        assert not hasattr(answers, "f")
        t_hat = np.array([1, 2, 3, 1, 2, 3, 1])
        assert np.array_equal(run_of(t_hat, answers).correct, run_of(t_hat, seen).correct)


def test_answers_of_many_classes_are_kept_whole(tmp_path):
    many = Answers(np.array([[255, 70_000]]), np.array([256, 70_000]), np.zeros((1, 1)), np.zeros((1, 1)))
    many.save(tmp_path / "many.npz")
    assert Answers.load(tmp_path / "many.npz").correct.tolist() == [[False, True]]


WHOLE = {"predictions": np.array([[0, 1]]), "labels": np.array([0, 1]), "densities": np.full((1, 2), 0.1), "awake": np.full((1, 2), 0.2)}


@pytest.mark.parametrize("name, value, said", [
    ("predictions", np.array([[0.0, 1.0]]), "predictions are class numbers, whole and 0 or more; got float64"),
    ("labels", np.array([0, -1]), "labels are class numbers, whole and 0 or more"),
    ("labels", np.array([0, 1, 1]), r"predictions are \(timesteps, images\) and labels \(images,\); got \(1, 2\) and \(3,\)"),
    ("densities", np.full((2, 2), 0.1), r"\(timesteps=1, layers\); got densities of shape \(2, 2\)"),
    ("awake", np.full((1, 2), 0.05), "a tile is awake at least as often as one of its rows spikes")])
def test_answers_that_cannot_be_are_refused(name, value, said):
    Answers(**WHOLE)
    with pytest.raises(ValueError, match=said):
        Answers(**{**WHOLE, name: value})


def test_answers_need_reads_that_were_measured():
    with pytest.raises(ValueError, match="nobody measured what the layers read"):
        Recording(np.zeros((1, 1, 2)), np.array([0]), np.zeros((1, 1))).answers()


def test_unknown_answers_are_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match="no shipped answers 'gestures'; there are "):
        shipped_answers("gestures")


# --- what ships -----------------------------------------------------------------

def test_an_unknown_shipped_recording_is_answered_with_the_known_ones():
    for name in ("digit", "digits-designs"):
        with pytest.raises(FileNotFoundError, match=f"no shipped recording '{name}'; there are .*'digits-test'") as said:
            shipped(name)
        assert "designs" not in str(said.value).partition("there are")[2]


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.npz")), ids=lambda p: p.stem)
def test_every_shipped_recording_says_where_it_comes_from(path):
    held = set(zipfile.ZipFile(path).namelist())
    if "labels.npy" not in held or not held & {"f.npy", "predictions.npy"}:
        pytest.skip("images, or a measurement: not a recording")
    if "predictions.npy" in held:
        about = Answers.load(path).about
        assert path.name == f"{about['network']}-seed{about['seed']}-answers.npz" and {"dataset", "chip"} <= set(about)
        return
    seen = Recording.load(path)
    assert {"network", "dataset", "seed", "split"} <= set(seen.about)
    elsewhere = [seen.about["recipe"]] if "recipe" in seen.about else []            # on another set than the network's own
    assert path.stem == "-".join([seen.about["network"], *elsewhere, seen.about["split"]])


def test_the_shipped_digits_are_the_500_and_1000_held_out_images():
    assert (shipped("digits-calibration").images, shipped("digits-test").images) == (500, 1000)
