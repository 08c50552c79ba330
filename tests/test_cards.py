"""A card says with which code a network was made; finding that out costs an import nothing."""

import subprocess
import sys

import numpy as np
import torch

from dtsnn_lite import __version__
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.data import Split, Splits, digits
from dtsnn_lite.proofs.cards import accuracies, card, commit, held_out, keep_recordings, versions
from dtsnn_lite.recording import Recording


def few_digits() -> Splits:
    return Splits(*(Split(s.images[:30], s.labels[:30]) for s in (digits().train, digits().calibration, digits().test)))


def test_the_recordings_that_are_kept_are_those_that_are_returned(tmp_path):
    net, splits = load_shipped("digits"), few_digits()
    for halved in (False, True):
        seen = keep_recordings(net, splits, 2, {"network": "digits"}, tmp_path / "a.b", halved=halved)
        files = {split: Recording.load(tmp_path / f"a.b-{split}.npz") for split in held_out(splits)}
        assert list(seen) == list(files) == ["calibration", "test"]
        for split, one in files.items():
            assert one.about == {"network": "digits", "split": split} and (one.labels == getattr(splits, split).labels.numpy()).all()
            assert (one.predictions == seen[split].predictions).all()
            assert np.array_equal(one.f, seen[split].f) or not halved


def test_a_card_by_hand(tmp_path):
    net, splits = load_shipped("digits"), few_digits()
    seen = keep_recordings(net, splits, 2, {}, tmp_path / "a", halved=False)
    said = card({"network": "a"}, 61.27, torch.device("cpu"), {"torch": "2"}, {"accuracy": accuracies(seen)})
    right = [round(float((one.predictions[t] == one.labels).mean()), 4) for one in seen.values() for t in range(2)]
    assert said["accuracy"] == {"calibration": right[:2], "test": right[2:]}
    assert (said["network"], said["seconds"], said["versions"], said["threads"]) == ("a", 61.3, {"torch": "2"}, torch.get_num_threads())
    assert said["device"].startswith("CPU (")


def test_a_card_names_the_commit_and_whether_something_was_changed_since(tmp_path):
    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b.c", *command],
                              capture_output=True, text=True, check=True).stdout.strip()

    assert commit(tmp_path) == "" and commit(tmp_path / "nowhere") == ""
    git("init", "-q")
    (tmp_path / "__init__.py").write_text("")
    assert commit(tmp_path) == ""                               # somebody else's repository
    for command in (["add", "."], ["commit", "-qm", "a"], ["tag", "-am", "a", "v1"]):
        git(*command)
    wanted = f", commit {git('rev-parse', '--short=12', 'HEAD')}"
    assert commit(tmp_path) == wanted
    (tmp_path / "weights.json").write_text("{}")
    assert commit(tmp_path) == wanted                           # what training leaves is no change of the code
    (tmp_path / "new.py").write_text("changed = True\n")
    assert commit(tmp_path) == wanted + "+"
    said, running = versions(), torch.__version__
    # What pip knows may lack the local part, "+cu130", of what runs.
    assert said["dtsnn_lite"].startswith(__version__) and said["torch"].partition("+")[0] == running.partition("+")[0]


IMPORTS = """
import sys, torch, matplotlib, snntorch
started = []
others = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system")
sys.addaudithook(lambda event, args: started.append(args) if event in others else None)
import dtsnn_lite.__main__, dtsnn_lite.proofs.recipes_seenn, dtsnn_lite.proofs.stages, dtsnn_lite.proofs.facts
print(started)
"""


def test_importing_the_recipes_runs_no_other_program():
    assert subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True).stdout.strip() == "[]"
