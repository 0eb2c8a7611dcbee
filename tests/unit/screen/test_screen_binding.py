"""Names bind by the words in them, or the signature is refused; position is left to names that say nothing."""

import itertools

import pytest
from screening import candidate, read

from harness.core.contract import CLASSIFICATION, PREFERENCE, VECTORS
from harness.core.errors import CandidateFault
from harness.core.profiles import load
from harness.core.program import POSITION
from harness.screen import screen
from harness.screen.binding import meaning, nearest

PC, PR, RC, RR = VECTORS


def bound(signature, *, binding="names", contract="preference"):
    """What each parameter of a signature is given, and whether by position."""
    text = f"def loss({signature}):\n    return 1.0\n"
    program = screen(candidate(text), binding=binding, contract=contract)
    return dict(program.told.bound), program.told.by_position


def refused(signature, **options):
    with pytest.raises(CandidateFault) as fault:
        bound(signature, **options)
    (finding,) = fault.value.findings
    assert finding.rule == "S109"
    return finding


#: Names as they are met, in the order of the contract's vectors.
FAMILIES = [
    ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected"),
    ("policy_chosen_logprobs", "policy_rejected_logprobs", "reference_chosen_logprobs", "reference_rejected_logprobs"),
    ("chosen_logprobs", "rejected_logprobs", "ref_chosen_logprobs", "ref_rejected_logprobs"),
    ("chosen", "rejected", "chosen_ref", "rejected_ref"),
    ("pi_w", "pi_l", "ref_w", "ref_l"),
    ("pi_theta_w", "pi_theta_l", "pi_ref_w", "pi_ref_l"),
    ("log_pi_yw", "log_pi_yl", "log_pi_ref_yw", "log_pi_ref_yl"),
    ("logp_w", "logp_l", "logp_ref_w", "logp_ref_l"),
    ("logpi_w", "logpi_l", "logref_w", "logref_l"),
    ("w", "l", "ref_w", "ref_l"),
    ("pw", "pl", "rw", "rl"),
    ("p_w", "p_l", "r_w", "r_l"),
    ("p_c", "p_r", "ref_c", "ref_r"),
    ("yw_logps", "yl_logps", "ref_yw_logps", "ref_yl_logps"),
    ("win_logps", "lose_logps", "sft_win_logps", "sft_lose_logps"),
    ("winner", "loser", "ref_winner", "ref_loser"),
    ("pos_logp", "neg_logp", "ref_pos_logp", "ref_neg_logp"),
    ("preferred_logps", "dispreferred_logps", "ref_preferred_logps", "ref_dispreferred_logps"),
    ("logp_preferred", "logp_non_preferred", "base_logp_preferred", "base_logp_non_preferred"),
    ("actor_better", "actor_worse", "sft_better", "sft_worse"),
    ("model_good_logp", "model_bad_logp", "base_model_good_logp", "base_model_bad_logp"),
    ("accepted_log_probs", "rejected_log_probs", "base_accepted_log_probs", "base_rejected_log_probs"),
    ("policyChosenLogps", "policyRejectedLogps", "refChosenLogps", "refRejectedLogps"),
    ("logprobs_chosen", "logprobs_rejected", "logprobs_chosen_frozen", "logprobs_rejected_frozen"),
    ("π_w", "π_l", "π_ref_w", "π_ref_l"),
    ("policy_chosen_logratios", "policy_rejected_logratios", "ref_chosen_logratios", "ref_rejected_logratios"),
]


@pytest.mark.rest
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0])
def test_every_order_binds_alike(family):
    wanted = dict(zip(family, VECTORS, strict=True)) | {"beta": "beta"}
    for order in [(0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (0, 2, 1, 3), (3, 2, 1, 0)]:
        names = ", ".join(family[i] for i in order)
        for signature in (f"{names}, beta", f"self, {names}, beta", f"*, {names}, beta"):
            assert bound(signature) == (wanted, False), signature


@pytest.mark.rest
def test_all_orders_of_one_family():
    family = FAMILIES[0]
    for order in itertools.permutations(family):
        assert bound(", ".join(order))[0] == dict(zip(family, VECTORS, strict=True))


def test_the_plan_calls_by_what_is_bound():
    text = "def dpo(rejected, chosen, ref_rejected, beta, *, ref_chosen): return 1.0\n"
    plan = screen(candidate(text)).plan
    assert (plan.positional, plan.keyword) == ((PR, PC, RR, "beta"), (("ref_chosen", RC),))


@pytest.mark.parametrize(
    "signature",
    [
        "a, b, c, d, beta",
        "w, x, y, z",
        "i, j, k, l",
        "p, q, r, s, beta=0.1",
        "x1, x2, x3, x4",
        "lp_w, lp_l, lq_w, lq_l",
        "pi_1, pi_2, ref_1, ref_2, beta",
        "policy_a, policy_b, c, d",
        "chosen_x, rejected_x, chosen_z, rejected_z",
        "policy_chosen_logits, policy_rejected_logits, reference_chosen_logits, reference_rejected_logits",
        "self, a, b, c, d",
    ],
)
def test_names_that_say_too_little_go_by_position_where_they_agree(signature):
    got, by_position = bound(signature)
    assert by_position
    assert list(got.values())[:4] == list(VECTORS)


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("ref_a, ref_b, policy_a, policy_b, beta", "ref_a reads as"),
        ("x, chosen_score, y, rejected_score", "chosen_score reads as"),
        ("ref_chosen, x, chosen, rejected, beta", "x could be anything"),
        ("logp1, ref1, logp2, ref2", "ref1 reads as"),
        ("policy_chosen, policy_rejected, chosen, rejected, beta", "both mean policy_chosen_logps"),
        ("w1, l1, w2, l2", "both mean policy_chosen_logps"),
        ("chosen, win, ref_chosen, ref_rejected", "both mean policy_chosen_logps"),
        ("pi_w, pi_l, len_w, len_l, beta", "Did you mean chosen_lengths in place of len_w"),
        ("chosen_rewards, rejected_rewards, a, b", "chosen_rewards"),
        ("pi_logratios, ref_logratios, beta", "pi_logratios"),
        ("chosen_logratios, rejected_logratios, beta", "chosen_logratios"),
        ("chosen_minus_rejected, ref_chosen_minus_rejected, c, d", "chosen_minus_rejected"),
        ("theta_ref_w, theta_ref_l, ref_w, ref_l", "theta_ref_w"),
        ("chosen_rejected, b, c, d", "chosen_rejected"),
        ("ref_chosen, ref_rejected, beta", "does not take policy_chosen_logps"),
        ("pc, pr, x, y", "x, y"),
    ],
)
def test_names_that_contradict_are_refused(signature, words):
    finding = refused(signature)
    assert words in finding.message
    assert finding.fix


def test_reference_free_by_words():
    assert bound("chosen, rejected, beta=2.0, gamma=0.5")[0] == {"chosen": PC, "rejected": PR, "beta": "beta"}
    assert bound("beta, rejected_logp, chosen_logp")[0] == {"beta": "beta", "rejected_logp": PR, "chosen_logp": PC}


def test_numbers_with_words_in_their_names_stay_numbers():
    signature = "a, b, c, d, beta=0.1, chosen=1.0, w=0.5, rejected_weight=2.0, reference_free=False, pos=1"
    got, by_position = bound(signature)
    assert by_position
    assert list(got) == ["a", "b", "c", "d", "beta"]
    assert bound("chosen, rejected, beta, ref_chosen=None, ref_rejected=None")[0]["ref_chosen"] == RC
    assert "ref_chosen" not in bound("chosen, rejected, beta, ref_chosen=0.0, ref_rejected=0.0")[0]


def test_the_older_profile_binds_by_position_as_it_did():
    for name in ("2026.1", "classification-2026.1"):
        assert load(name).binding == POSITION
    for name in ("2026.2", "classification-2026.2"):
        assert load(name).binding == "names"
    names = "ref_chosen_logprobs, ref_rejected_logprobs, chosen_logprobs, rejected_logprobs"
    assert list(bound(f"{names}, beta", binding=POSITION)[0].values()) == [*VECTORS, "beta"]
    assert list(bound(f"{names}, beta")[0].values()) == [RC, RR, PC, PR, "beta"]
    assert "not in the contract" in refused("chosen, rejected, beta", binding=POSITION).message


def test_a_helper_that_names_vectors_does_not_take_the_place_of_the_loss():
    helper = "def gap(w, l): return w - l\n"
    loss = "def dpo(a, b, c, d, beta): return gap(a, b) - gap(c, d)\n"
    assert screen(candidate(helper + loss)).plan.entry == "dpo"
    assert screen(candidate(loss + helper)).plan.entry == "dpo"
    unused = "def mix(a, b, c, d): return a\ndef dpo(pi_w, pi_l, ref_w, ref_l): return pi_w\n"
    assert screen(candidate(unused)).plan.entry == "dpo"


@pytest.mark.parametrize(
    ("signature", "logits", "targets"),
    [
        ("class_labels, y_hat", "y_hat", "class_labels"),
        ("labels_true, predicted_scores", "predicted_scores", "labels_true"),
        ("x, truth_", "x", "truth_"),
        ("target_ids, logits", "logits", None),
        ("a, b", "a", "b"),
    ],
)
def test_classification(signature, logits, targets):
    if targets is None:
        assert "target_ids" in refused(signature, contract="classification").message
        return
    got, _ = bound(signature, contract="classification")
    assert (got[logits], got[targets]) == ("logits", "targets")


@pytest.mark.parametrize("signature", ["gold_x, scores_x", "target_logits, b", "true_ids, b"])
def test_classification_refuses_what_contradicts(signature):
    assert refused(signature, contract="classification")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("chosen_len", "chosen_lengths"),
        ("len_rejected", "rejected_lengths"),
        ("n_tokens_w", "chosen_lengths"),
        ("rejected_lenghts", "rejected_lengths"),
        ("progres", "progress"),
        ("train_progress", "progress"),
        ("betas", "beta"),
        ("kl_beta", "beta"),
        ("policy_choosen_logps", "policy_chosen_logps"),
        ("reference_rejected_lgps", "reference_rejected_logps"),
    ],
)
def test_near_misses_are_told(name, meant):
    own = [vector for vector in VECTORS if vector != meant]
    finding = refused(", ".join((*own, name, *(["beta"] if meant != "beta" else []))))
    assert f"Did you mean {meant} in place of {name}?" in finding.message


@pytest.mark.parametrize(
    ("names", "computed"),
    [
        ("chosen_logratios, rejected_logratios", [f"{PC} - {RC}", f"{PR} - {RR}"]),
        ("log_ratio_l, log_ratio_w", [f"{PR} - {RR}", f"{PC} - {RC}"]),
        ("ratio_c, nonPreferredLogRatio", [f"{PC} - {RC}", f"{PR} - {RR}"]),
        ("pi_logratios, ref_logratios", [f"{PC} - {PR}", f"{RC} - {RR}"]),
        ("chosen_reward, rejected_rewards", [f"beta * ({PC} - {RC})", f"beta * ({PR} - {RR})"]),
        ("rho", [f"({PC} - {PR}) - ({RC} - {RR})"]),
        ("ρ", [f"({PC} - {PR}) - ({RC} - {RR})"]),
        ("margin", [f"({PC} - {PR}) - ({RC} - {RR})"]),
        ("reward_margins", [f"beta * (({PC} - {PR}) - ({RC} - {RR}))"]),
        (f"{PC}, {PR}, chosen_logratios", [f"{PC} - {RC}"]),
        (f"{', '.join(VECTORS)}, chosen_logratios", [f"{PC} - {RC}"]),
    ],
)
def test_what_is_computed_of_log_probabilities_is_told(names, computed):
    finding = refused(f"{names}, beta")
    assert "Did you mean" not in finding.message
    own = [name for name in names.split(", ") if name not in VECTORS]
    told = " and ".join(f"{name} = {text}" for name, text in zip(own, computed, strict=True))
    assert f"compute {told} inside the loss" in finding.fix


def test_a_near_miss_beside_a_ratio_is_told_too():
    assert "Did you mean rejected_lengths in place of rejected_lenghts?" in refused("rho, rejected_lenghts").message


@pytest.mark.parametrize("name", ["margin", "rho", "target_margin", "chosen_margin", "reward_scale", "clip_ratio"])
def test_a_number_beside_the_vectors_is_none_of_them(name):
    assert f'{{"{name}": (0.1, 1.0)}}' in refused(f"{', '.join(VECTORS)}, beta, {name}").fix
    assert "Did you mean chosen_lengths" in refused(f"{', '.join(VECTORS)}, chosen_length_ratio").message


@pytest.mark.parametrize("name", ["gamma", "tau", "weights", "temperature", "x", "lambda_"])
def test_nobody_is_told_what_was_not_meant(name):
    assert "Did you mean" not in refused(f"{', '.join(VECTORS)}, beta, {name}").message


def test_a_near_miss_with_a_default_stays_and_is_told():
    told = screen(
        candidate(f"def loss({', '.join(VECTORS)}, beta, chosen_len=None, label_smoothing=0.1): return 1.0\n")
    ).told
    assert told.fixed == (("chosen_len", "None"), ("label_smoothing", "0.1"))
    assert told.facts["fixed"] == {"chosen_len": "None", "label_smoothing": "0.1"}


def test_every_argument_says_itself():
    for name in PREFERENCE.arguments:
        assert meaning(name, PREFERENCE).argument == name
    for name in CLASSIFICATION.arguments:
        assert meaning(name, CLASSIFICATION).argument == name


@pytest.mark.parametrize("name", ["pi" * 100_000, "chosen_" * 10_000, "A" * 200_000, "_" * 1000, "__"])
def test_long_names_take_no_time(name):
    meaning(name, PREFERENCE)
    nearest(name, PREFERENCE)


def test_lines_in_which_pairs_may_cross_are_told():
    text = (
        "def loss(pc, pr, rc, rr, beta):\n"
        "    grid = pc[:, None] - pr\n"
        "    column = rc.unsqueeze(1)\n"
        "    plain = (pc - pr).view(-1)\n"
        "    return (grid - column.reshape(-1, 1)).mean() + plain[0:1] + pc[0]\n"
    )
    assert read(text)["told"][3] == (2, 3, 5)
    assert read("def loss(pc, pr, rc, rr, beta):\n    return (pc - pr)[1:]\n")["told"][3] == ()


@pytest.mark.parametrize(
    "line",
    [
        "x.gather(1, y[:, None])[:, 0]",
        "torch.gather(x, 1, y.unsqueeze(1)).squeeze(1)",
        "x.gather(dim=1, index=y.long().view(-1, 1))",
        "torch.take_along_dim(x, y[:, None], dim=1)",
        "torch.zeros_like(x).scatter_(1, y[:, None], 1.0)",
        "x.index_select(0, y[None][0])",
        "x.unsqueeze(1).squeeze(1)",
        "x.unsqueeze(-1).squeeze()",
        "x[:, None].squeeze(-1)",
        "x[..., None][..., 0]",
        "torch.squeeze(torch.unsqueeze(x, dim=1), dim=1)",
        "x.view(-1, 1)[:, 0]",
    ],
)
def test_a_dimension_that_is_no_crossing_is_not_told(line):
    assert read(f"def loss(pc, pr, rc, rr, beta):\n    x = y = pc\n    return {line}\n")["told"][3] == ()


@pytest.mark.parametrize(
    "line",
    [
        "torch.gather(x[:, None] - y, 1, y)",
        "(x[:, None] - y).gather(1, y[:, None])",
        "x.gather(1, y)[:, None] - y",
        "x[:, None].unsqueeze(2).squeeze(2) - y",
        "x.unsqueeze(1).squeeze(0) - y",
        "x[:, None, None].squeeze(1) - y",
        "x[:, None][:, 0:1] - y",
        "x[:, None][0:2, ...] - y",
        "torch.outer(x, y)[:, 0]",
        "(x[:, None] - y).squeeze(1)",
        "(x[:, None] - y)[:, 0]",
        "x.view(1, 1)[0]",
        "x.unsqueeze().squeeze()",
    ],
)
def test_a_dimension_that_stays_is_told(line):
    assert read(f"def loss(pc, pr, rc, rr, beta):\n    x = y = pc\n    return {line}\n")["told"][3] == (3,)
