"""The image policy: its losses against numpy, its bill, and that it really runs what it chose."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import load_policy, save_policy
from dtsnn_lite.chip import dtsnn_2023, spikesim_rram_64
from dtsnn_lite.cost import chosen_cost, timestep_cost
from dtsnn_lite.data import Split
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.exits import ChosenSteps, replay
from dtsnn_lite.inference import grouped_inference, record
from dtsnn_lite.mapping import macs
from dtsnn_lite.models import SpikingConvNet, layer_shapes
from dtsnn_lite.neurons import LIF
from dtsnn_lite.policy import (Experience, PolicyNet, PolicyTraining, action_logits, choose_steps, expectation_loss, experience,
                               fit_jointly, fit_policy, reinforce_loss, rewards_of)
from dtsnn_lite.reinforce import exact_gradient, expected_reward, hard_weight, reward

T = 4


def some_images(n=60) -> Split:
    test = hard_digits().test
    return Split(test.images[:n], test.labels[:n])


def a_table(seed=0, n=6, price=0.7):
    dice = torch.Generator().manual_seed(seed)
    correct = torch.rand(T, n, generator=dice) < 0.6
    return torch.randn(n, T, generator=dice, dtype=torch.float64), correct, rewards_of(correct, price).double()


# --- losses -----------------------------------------------------------------------------

def test_rewards_are_those_of_the_numpy_shore():
    _, correct, rewards = a_table()
    np.testing.assert_allclose(rewards, reward(correct.numpy(), 0.7))


def test_the_loss_is_minus_the_expected_reward_and_descends_its_exact_gradient():
    logits, correct, rewards = a_table()
    logits.requires_grad_()
    loss = expectation_loss(logits, rewards)
    loss.backward()
    at = logits.detach().numpy(), reward(correct.numpy(), 0.7)
    assert loss.item() == pytest.approx(-expected_reward(*at).mean())
    np.testing.assert_allclose(logits.grad, -exact_gradient(*at) / len(logits))


def test_the_mean_of_the_sampled_loss_gradient_is_the_exact_one():
    logits, correct, rewards = a_table()
    dice, samples = torch.Generator().manual_seed(1), []
    for _ in range(6000):
        z = logits.clone().requires_grad_()
        reinforce_loss(z, rewards, dice).backward()
        samples.append(z.grad.numpy())
    error = np.std(samples, axis=0) / np.sqrt(len(samples))
    exact = -exact_gradient(logits.numpy(), reward(correct.numpy(), 0.7)) / len(logits)
    assert (np.abs(np.mean(samples, axis=0) - exact) < 5 * error + 1e-12).all()


# --- training ---------------------------------------------------------------------------

def dim_needs_two() -> Experience:
    """Dark images are right from step 2 on, bright ones from step 1."""
    level = torch.where(torch.arange(256) % 2 == 0, 0.2, 0.9)
    images = level[:, None, None, None] * torch.rand(256, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    correct = torch.ones(T, 256, dtype=torch.bool)
    correct[0] = level > 0.5
    return Experience(images, correct)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_policy_learns_to_run_longer_where_the_image_says_so(sampled):
    torch.manual_seed(0)
    policy, seen = PolicyNet(), dim_needs_two()
    history = fit_policy(policy, [seen] * 10, PolicyTraining(price=2.0, sampled=sampled, epochs=10))
    t_hat = choose_steps(policy, seen.images, T)
    assert history[-1] > history[0]
    assert ((t_hat == 2) == ~seen.correct[0].numpy()).mean() > 0.95


def test_free_errors_collapse_the_policy_to_one_step():
    torch.manual_seed(0)
    policy, seen = PolicyNet(), dim_needs_two()
    always_1 = Experience(seen.images, torch.ones_like(seen.correct))
    fit_policy(policy, [always_1] * 4, PolicyTraining(price=0.0, epochs=4))
    assert (choose_steps(policy, seen.images, T) == 1).all()


@pytest.mark.parametrize(("reweighted", "chosen"), [(False, 1), (True, 2)])
def test_weights_make_a_policy_that_cannot_tell_images_apart_care_for_the_rare_hard_ones(reweighted, chosen):
    correct = torch.ones(T, 100, dtype=torch.bool)
    correct[0, ::5] = False             # step 1 is worth 0.8 - 0.1, step 2 a half; where the hard ones weigh 4, 0.8 - 0.4 and 0.8
    weight = torch.from_numpy(hard_weight(correct.numpy())).float() if reweighted else None
    torch.manual_seed(0)
    policy = PolicyNet()
    seen = Experience(torch.ones(100, 1, 28, 28), correct, weight)
    fit_policy(policy, [seen] * 20, PolicyTraining(price=0.5, epochs=20, batch=20, lr=0.05))
    assert (choose_steps(policy, torch.ones(100, 1, 28, 28), T) == chosen).all()


def test_weights_are_one_an_image():
    seen = dim_needs_two()
    with pytest.raises(ValueError, match=r"weight is \(images=256,\); got shape \(4,\)"):
        replace(seen, weight=torch.ones(T))

def test_experience_is_what_the_frozen_network_says():
    torch.manual_seed(0)
    net, split = SpikingConvNet(), some_images()
    (first, second) = experience(net, split, T, epochs=2)
    assert (first.correct.numpy() == record(net, split.images, split.labels, T).correct).all()
    assert torch.equal(first.images, second.images)
    drifted = list(experience(net, split, T, epochs=2, drift=HARD))
    assert not torch.equal(drifted[0].images, drifted[1].images)


def test_joint_training_moves_policy_and_network():
    torch.manual_seed(0)
    net, policy, split = SpikingConvNet(), PolicyNet(), some_images()
    before = [net.head.weight.detach().clone(), policy.head.weight.detach().clone()]
    history = fit_jointly(policy, net, split, PolicyTraining(epochs=1, batch=30))
    assert len(history) == 1 and np.isfinite(history[0])
    assert not torch.equal(before[0], net.head.weight) and not torch.equal(before[1], policy.head.weight)


@pytest.mark.parametrize("training", [True, False])
def test_training_and_asking_leave_policy_and_network_in_the_mode_they_came_in(training):
    net, policy, split = SpikingConvNet().train(training), PolicyNet().train(training), some_images(30)
    few = PolicyTraining(epochs=1, batch=30)
    seen = next(experience(net, split, T, epochs=1))
    for work in (lambda: fit_policy(policy, [seen], few), lambda: choose_steps(policy, split.images, T),
                 lambda: fit_jointly(policy, net, split, few)):
        work()
        assert all(part.training == training for whole in (net, policy) for part in whole.modules())


def test_a_reward_that_is_not_finite_stops_the_training():
    policy = PolicyNet()
    policy.head.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="is nan in epoch 0: lower lr"):
        fit_policy(policy, [dim_needs_two()], PolicyTraining(epochs=1))


# --- inference and its bill ---------------------------------------------------------------

def test_running_in_groups_equals_replaying_the_chosen_steps():
    torch.manual_seed(1)
    net, policy, split = SpikingConvNet().eval(), PolicyNet().eval(), some_images()
    for layer in (policy.look[0], policy.think[0], policy.head):
        layer.weight.data *= 10          # enough spikes to tell images apart without training
    run = grouped_inference(policy, net, split.images, split.labels, T, batch=7)
    again = replay(record(net, split.images, split.labels, T), ChosenSteps(run.t_hat))
    assert len(np.unique(run.t_hat)) > 1
    assert (run.predictions == again.predictions).all() and (run.t_hat == again.t_hat).all()


def test_the_policy_does_at_most_a_twentieth_of_one_timesteps_work():
    assert macs(layer_shapes(PolicyNet())) <= 0.05 * macs(layer_shapes(SpikingConvNet()))


def test_the_policys_work_by_hand():
    by_hand = 16 * 16 * 7 * 7 + 16 * 9 * 32 * 4 * 4 + 32 * 4 * 4 * T
    assert macs(layer_shapes(PolicyNet())) == by_hand


@pytest.mark.parametrize("chip", [spikesim_rram_64, dtsnn_2023], ids=lambda chip: chip.name)
def test_the_look_is_in_the_bill(chip):
    step, look = timestep_cost(layer_shapes(SpikingConvNet()), chip), timestep_cost(layer_shapes(PolicyNet()), chip)
    t_hat = np.array([1, 3, 1])
    bill, free = chosen_cost(t_hat, step, look), chosen_cost(t_hat, step, None)
    np.testing.assert_allclose(bill.energy_pj, look.fixed_pj + look.step_pj + step.fixed_pj + step.step_pj * t_hat)
    assert (bill.latency_ns > free.latency_ns).all()
    assert 0.01 < look.step_pj / step.step_pj < 1


# --- files and bad input --------------------------------------------------------------------

def test_a_policy_comes_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    policy, images = PolicyNet().eval(), some_images(8).images
    save_policy(policy, tmp_path / "p.safetensors", {"beta": 1.0})
    assert torch.equal(action_logits(policy, images), action_logits(load_policy(tmp_path / "p.safetensors"), images))
    (tmp_path / "p.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="not a whole policy"):
        load_policy(tmp_path / "p.safetensors")
    with pytest.raises(FileNotFoundError, match="train digits-policy"):
        load_policy(tmp_path / "none.safetensors")


def test_a_policy_for_another_number_of_timesteps_is_refused():
    with pytest.raises(ValueError, match="among T = 6 timesteps, the network runs 4: train a policy"):
        choose_steps(PolicyNet(timesteps=6), some_images(2).images, timesteps=4)


def test_a_policy_file_that_its_card_does_not_know_is_refused(tmp_path):
    for name in ("a", "b"):
        save_policy(PolicyNet(), tmp_path / f"{name}.safetensors", {})
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "b.safetensors").read_bytes())
    with pytest.raises(ValueError, match="its sha256 is not the one on a.json"):
        load_policy(tmp_path / "a.safetensors")


@pytest.mark.parametrize("what, value, says", [
    ("price", -1.0, "price is that of a wrong answer"), ("epochs", 0, "epochs is a whole number, 1 or more"),
    ("batch", 0, "batch is a whole"), ("lr", -1.0, "lr is a finite learning rate"),
    ("net_lr", float("nan"), "net_lr is a finite learning rate")])
def test_an_impossible_training_is_refused(what, value, says):
    with pytest.raises(ValueError, match=says):
        replace(PolicyTraining(), **{what: value})


def test_more_epochs_than_the_learning_rate_falls_over_are_refused():
    seen = Experience(some_images(5).images, torch.ones(T, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="falls to 0 over epochs = 2, and here are more"):
        fit_policy(PolicyNet(timesteps=T), [seen] * 3, PolicyTraining(epochs=2))
    assert len(fit_policy(PolicyNet(timesteps=T), [seen] * 2, PolicyTraining(epochs=2))) == 2


@pytest.mark.parametrize("change", [lambda policy: policy.move_to(spikesim_rram_64), lambda policy: setattr(policy, "lif", LIF(0.9)),
                                    lambda policy: setattr(policy, "head", torch.nn.Linear(512, 3))])
def test_a_policy_that_no_file_would_give_back_is_not_written(tmp_path, change):
    policy = PolicyNet()
    change(policy)
    with pytest.raises(ValueError, match="this policy is not the one that its in_shape, timesteps and channels describe"):
        save_policy(policy, tmp_path / "p.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_a_float64_policy_is_not_rounded_without_a_word(tmp_path):
    with pytest.raises(ValueError, match="is float64 and would come back as float32"):
        save_policy(PolicyNet().double(), tmp_path / "p.safetensors", {})


class Reached(Exception):
    pass


@pytest.mark.parametrize("elsewhere", ["policy", "net"])
def test_images_go_to_where_the_policy_and_the_network_are(elsewhere):
    """As in `record` and `dynamic_inference`. There is no second device here: weights on "meta" have a place and no numbers."""
    policy, net, split = PolicyNet(timesteps=T), SpikingConvNet(), some_images(3)
    moved = {"policy": policy, "net": net}[elsewhere].to("meta")

    def arrived(module, inputs):
        assert inputs[0].device.type == "meta"
        raise Reached

    moved.register_forward_pre_hook(arrived)
    with pytest.raises(Reached):
        grouped_inference(policy, net, split.images, split.labels, T)


@pytest.mark.parametrize("timesteps", [0, -1])
def test_a_policy_chooses_among_one_or_more_timesteps(timesteps):
    with pytest.raises(ValueError, match=f"timesteps is a whole number, 1 or more; got {timesteps}"):
        PolicyNet(timesteps=timesteps)


def test_images_answers_and_policy_must_fit_each_other():
    policy, split = PolicyNet(timesteps=T), some_images(5)
    with pytest.raises(TypeError, match="images are a torch tensor"):
        choose_steps(policy, split.images.numpy(), T)
    with pytest.raises(ValueError, match="NaN or infinity"):
        choose_steps(policy, split.images * float("nan"), T)
    with pytest.raises(ValueError, match=r"labels is \(5,\), one an image; got shape \(5, 1\)"):
        grouped_inference(policy, SpikingConvNet(), split.images, split.labels[:, None], T)
    with pytest.raises(ValueError, match=r"correct is \(timesteps, images=5\); got shape \(4, 6\)"):
        Experience(split.images, torch.ones(4, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match="among T = 4 timesteps, the network ran 6"):
        fit_policy(policy, [Experience(split.images, torch.ones(6, 5, dtype=torch.bool))], PolicyTraining())
