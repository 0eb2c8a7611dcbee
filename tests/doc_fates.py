"""What becomes of each command that the documents name: it is run, a test of ours runs it, or it cannot be run here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A command as a document has it. `does` is what is run for it: a shorter form, or one with names filled in."""

    text: str
    code: int = 0
    does: str = ""


SMALL = "--burn-in dpo --confirm 0"

#: Run one after the other, each story in a checkout of its own. In the checkout: loss.py (DPO); proposals/ and losses/,
#: whose losses end at the first question; mine.toml with the mistake that docs/gates.md shows; own.toml without.
STORIES = {
    "looks": (
        Step("harness explain P308"),
        Step("harness explain RULE", does="harness explain direction"),
        Step("harness profiles"),
        Step("harness profiles 2026.2"),
        Step("harness rules"),
        Step("harness rules --markdown > docs/rules.md"),
        Step("harness schema report"),
        Step("harness schema record"),
        Step("harness keys init"),
        Step("harness keys show"),
        Step("harness keys show --pem > ours.pem"),
        Step(
            'harness keys trust ours.pem --name "lab A"',
            does='HARNESS_KEYS=$PWD/others harness keys trust ours.pem --name "lab A"',
        ),
        Step("harness keys rotate --output next.jsonl"),
        Step(
            "harness keys trust next.jsonl",
            does="HARNESS_KEYS=$PWD/others harness keys trust next.jsonl",
        ),
        Step("harness keys distrust KEYID", does="harness keys distrust $(harness keys show | cut -c 1-12 | tail -1)"),
        Step("harness doctor --markdown"),
        Step("harness --version"),
        Step("python -m harness", does="python -m harness --version"),
        Step("harness check --static loss.py", code=3),
        Step("harness warm", does="XDG_RUNTIME_DIR=$PWD harness warm"),
        Step("harness warm --status", does="XDG_RUNTIME_DIR=$PWD harness warm --status"),
        Step("harness warm --stop", does="XDG_RUNTIME_DIR=$PWD harness warm --stop"),
        Step("harness image build"),
        Step("harness image list [--json]", does="harness image list"),
        Step("harness image list --json"),
        Step("harness image verify [TAG] [--expect DIGEST] [--json]", does="harness image verify --json"),
        Step("harness image verify [TAG] --against FILE|TAG [--json]", does="harness image verify --against {tag}"),
        Step("harness image verify"),
        Step("harness image manifest"),
        Step("harness image manifest [TAG] [--output FILE]", does="harness image manifest --output theirs.json"),
        Step("harness image manifest --output theirs.json"),
        Step("harness image verify TAG --against theirs.json", does="harness image verify {tag} --against theirs.json"),
        Step("harness image verify TAG --expect sha256:...", does="harness image verify {tag} --expect {digest}"),
    ),
    "checks": (
        Step("harness check proposals/ --jobs 2 --report json=-", code=1),
        Step("harness check proposals/ --exclude 'draft_*'", code=1),
        Step("harness check --jobs 2", code=1, does="harness check --jobs 2 losses/ proposals/"),
        Step("harness check losses/ --report sarif=losses.sarif --report junit=losses.xml", code=1),
        Step("harness check losses/ --report json=check.json --report sarif=check.sarif --plots pictures/", code=1),
        Step("harness run loss.py --profile mine.toml", code=2),
        Step("harness plot dpo loss.py --betas 0.05,1"),
    ),
    "a queue": (
        Step("harness submit proposals/"),
        Step("harness worker --drain"),
        Step("harness queue"),
        Step("harness leaderboard"),
        Step("harness show RUN --json", does="harness show 1 --json"),
        Step("harness show RUN --plots plots/", does="harness show 1 --plots plots/"),
        Step(
            "harness show RUN --records run.intoto.jsonl",
            does="harness show 1 --records run.intoto.jsonl && harness verify run.intoto.jsonl",
        ),
        Step(
            "harness leaderboard --record board.intoto.jsonl", does="true # nobody has come to a rung that is measured"
        ),
        Step("harness ledger verify"),
        Step("harness export RUN --output run.crate.zip", does="harness export 1 --output run.crate.zip"),
        Step("harness verify run.crate.zip"),
        Step("harness import run.crate.zip", does="harness import run.crate.zip --folder other"),
        Step(
            "harness verify run.crate.zip --keys-inside",
            does="HARNESS_KEYS=$PWD/none harness verify run.crate.zip --keys-inside",
        ),
        Step("harness ledger head --output head.jsonl"),
        Step("harness ledger verify --head head.jsonl"),
        Step(
            "harness leaderboard --profile NAME@DIGEST",
            does="harness submit proposals/ --profile own.toml && harness leaderboard --profile "
            '"$(harness queue --all --json | grep -om1 "own@[0-9a-f]*" | head -n1)"',
        ),
    ),
    "a judge": (
        Step("harness judge a.jsonl b.jsonl --model JUDGE --base-url http://127.0.0.1:8000/v1"),
        Step("harness judge a.jsonl b.jsonl --model JUDGE --replay .harness/judge.jsonl"),
        Step(
            "harness judge a.jsonl b.jsonl --model JUDGE --record judge.intoto.jsonl",
            does="harness judge a.jsonl b.jsonl --model JUDGE --record judge.intoto.jsonl "
            "--base-url http://127.0.0.1:8000/v1",
        ),
        Step("harness verify judge.intoto.jsonl a.jsonl b.jsonl .harness/judge.jsonl"),
        Step("harness judge a.jsonl b.jsonl --replay .harness/judge.jsonl --against judge.intoto.jsonl"),
    ),
    "long checks": (
        Step("make check LOSS=examples/discopop.py"),
        Step("harness check loss.py"),
        Step("harness check examples/dpo.py"),
        Step("harness check loss.py --record check.intoto.jsonl"),
        Step("harness verify check.intoto.jsonl loss.py"),
        Step("harness check loss.py --record check.intoto.jsonl --report json=check.json"),
        Step("harness verify check.intoto.jsonl loss.py check.json"),
        Step(
            "harness check loss.py --record FILE --nonce WORD",
            does="harness check loss.py --record n.jsonl --nonce WORD",
        ),
        Step("harness verify FILE --nonce WORD", does="harness verify n.jsonl --nonce WORD"),
        Step("harness verify FILE loss.py --accepted", does="harness verify n.jsonl loss.py --accepted"),
        Step("harness verify FILE --at TIME", does="harness verify n.jsonl --at 2126-01-01", code=1),
        Step("harness check loss.py --plots plots/"),
        Step(
            "harness check --contract classification loss.py",
            code=1,
            does="harness check --contract classification examples/classification/negated.py",
        ),
        Step(
            "harness check --contract lists loss.py",
            code=1,
            does="harness check --contract lists examples/lists/negated.py",
        ),
        Step("harness doctor"),
    ),
    "nothing to find": (
        Step(
            "harness calibrate --ladder bandit --runs 100",
            does="sed -i 's/^looks = .*/looks = [2]/; s/^steps = .*/steps = 20/' own.toml && "
            "harness calibrate --ladder own.toml --runs 1",
        ),
        Step("harness leaderboard --fdr .05"),
    ),
    "a search": (
        Step("harness run loss.py"),
        Step("harness export-loss RUN --to my_loss", does="harness export-loss 1 --to my_loss"),
        Step("harness verify my_loss/records.intoto.jsonl my_loss/candidate.py --accepted"),
        Step("harness export-loss RUN", does="harness export-loss 1"),
        Step(
            "harness discover --proposer evolve --generations 200",
            does=f"harness discover --proposer evolve --generations 1 {SMALL}",
        ),
        Step("harness discover --resume run-1"),
        Step("harness export run-1 --output found.crate.zip"),
        Step("harness verify found.crate.zip"),
        Step("harness lineage run-1 --plots plots/"),
        Step("harness lineage run-1"),
        Step(
            "harness discover --proposer replay:.harness/discover/run-1/journal.jsonl",
            does=f"harness discover --proposer replay:.harness/discover/run-1/journal.jsonl --generations 1 {SMALL}",
        ),
        Step(
            "harness discover --proposer openai:MODEL --base-url http://127.0.0.1:8000/v1",
            does="harness discover --proposer openai:MODEL --base-url http://127.0.0.1:8000/v1 --generations 1 "
            f"--resamples 0 {SMALL}",
        ),
    ),
    "figures": (
        Step("python -m bench.power show"),
        Step("python -m bench.separation"),
        Step("python -m bench.training_batches picture"),
        Step("python -m bench.reviews show"),
        Step("python -m bench.scale --gpus 1 --gpus 64"),
        Step("python -m bench.control", does="python -m bench.control --table"),
        Step("python -m bench.gates", does="python -m bench.gates --turns 2"),
        Step(
            "python -m bench [NAME...] [--times N] [--json FILE]",
            does="python -m bench static --times 7 --json figures.json || test -s figures.json",
        ),
    ),
    "figures of containers": (
        Step("python -m bench.power measure", does="python -m bench.power measure --places 1 --minutes 0.01"),
        Step("python -m bench.rung_costs", does="python -m bench.rung_costs --minutes 0.01"),
        Step("python -m bench.population reviews", does="python -m bench.population reviews-2026.1 --minutes 0"),
        Step("python -m bench.seed_costs", does="python -m bench.seed_costs bandit slic"),
        Step("python -m bench.separation --check", does="python -m bench.separation --check --loss negated"),
    ),
    "figures of training": (
        Step("python -m bench.reviews measure", does="python -m bench.reviews measure dpo --seeds 1"),
        Step("python -m bench.training_batches log", does="python -m bench.training_batches log fine-tune"),
    ),
    "a checkout": (
        Step("make lint"),
        Step("make test", does="make test TESTS=tests/unit/test_guards.py"),
        Step("python tests/adversarial/layers.py", does="python tests/adversarial/layers.py seccomp"),
        Step("make redteam", does='python tests/adversarial/redteam.py --mode "screen on" 05_'),
    ),
}
#: These take more than twenty seconds: `make test-all`.
LONG = {
    "checks",
    "long checks",
    "nothing to find",
    "a search",
    "figures",
    "figures of containers",
    "figures of training",
    "a checkout",
}

#: Too long, or with an engine, a server or an installation to be played: the test that runs it, or a short form of it.
BY_TEST = {
    "make discover": "integration/test_discover.py::test_the_recording_ends_above_dpo_with_every_step_told",
    "make fuzz": "fuzz/test_fuzz.py::test_no_input_breaks_a_promise",
    "make gvisor": "unit/test_setup_gvisor.py::test_one_that_is_registered_is_used",
    "make setup": "unit/test_setup_engine.py::test_the_environment_alone_needs_no_engine",
    "make setup PYTHON=/path/to/python3.12": "unit/test_setup_environment.py::test_a_changed_input_asks_for_a_new_one",
    "python3 -m harness.setup": "unit/test_setup_engine.py::test_the_command_ends_with_3_and_prints_the_remedy",
    "harness reproduce run.crate.zip": "integration/test_reproduce.py::test_a_stranger_repeats_a_promotion_to_the_bit",
    "harness reproduce found.crate.zip": (
        "integration/test_reproduce.py::test_a_discovery_is_repeated_from_its_archive_alone"
    ),
    "harness reproduce run.crate.zip --rung 2": (
        "integration/test_reproduce.py::test_a_run_is_repeated_as_far_as_was_asked"
    ),
    "harness reproduce check.intoto.jsonl loss.py --report check.json": (
        "integration/test_reproduce.py::test_a_verdict_is_repeated_from_its_record_and_its_candidate"
    ),
    "make reproduce": "integration/test_reproduce.py::test_a_stranger_repeats_a_promotion_to_the_bit",
    "harness check examples": "quality/test_good_losses.py::test_the_examples_are_accepted",
    "harness check harness/losses --jobs 2": "quality/test_good_losses.py::test_the_catalogue_is_accepted",
    "harness image build --for trainer": "integration/test_training_containers.py::"
    "test_containers_and_a_process_of_the_host_train_to_the_same_bits",
    "harness image build --base debian --refresh": "unit/test_image_base.py::"
    "test_auto_makes_a_debian_where_no_registry_answers",
    "harness image build [--variant cpu|cuda] [--base auto|slim|debian] [--base-image REF] [--refresh] [--fresh] "
    "[--json]": ("unit/test_image_listing.py::test_a_second_build_does_nothing"),
    "harness image build --fresh": "integration/test_image_twice.py::test_two_folders_and_two_caches_give_one_digest",
    "harness image sbom": "unit/test_image_listing.py::test_the_bill_of_materials_is_what_was_recorded_or_none",
    "harness image sbom [TAG] [--output FILE]": (
        "unit/test_image_listing.py::test_the_bill_of_materials_is_what_was_recorded_or_none"
    ),
    "harness worker --log-format json": (
        "unit/ladder/test_logs.py::test_the_worker_hands_its_log_on_and_writes_nothing_else"
    ),
    "harness judge 12 --model JUDGE": "unit/llm_judge/test_judge_command.py::"
    "test_answers_of_runs_are_taken_from_the_ledger",
    "harness judge 12 13 --model JUDGE --length-controlled": "unit/llm_judge/test_judge_command.py::"
    "test_answers_of_runs_are_taken_from_the_ledger",
    "harness judge answers.jsonl --questions question.jsonl --prompts judge_prompts.jsonl --model JUDGE": (
        "unit/llm_judge/test_judge_command.py::test_single_scores_take_questions_and_prompts_of_the_user"
    ),
    "make stage": ("integration/test_stage.py::test_from_the_screen_to_a_promotion_and_the_same_once_more"),
    "harness answer 12 --questions question.jsonl": (
        "integration/test_stage.py::test_from_the_screen_to_a_promotion_and_the_same_once_more"
    ),
    "harness answer 12 --questions question.jsonl --start --by-category --output a.jsonl": (
        "integration/test_stage.py::test_from_the_screen_to_a_promotion_and_the_same_once_more"
    ),
    "harness weights": "unit/ladder/test_answering.py::test_what_is_kept_is_listed_and_removed",
    "harness weights --remove ADDRESS": "unit/ladder/test_answering.py::test_what_is_kept_is_listed_and_removed",
    "harness iterate examples/aipo.py --seeds 6 --plots plots/": "unit/ladder/test_iterate_command.py::"
    "test_a_picture_has_a_line_and_intervals_for_each_loss",
    "harness run examples/discopop.py --profile reviews": "integration/test_stopping_rungs.py::"
    "test_a_run_is_given_back_within_seconds",
    "harness run examples/discopop.py --profile control": "integration/test_stopping_rungs.py::"
    "test_a_run_is_given_back_within_seconds",
    "harness discover --proposer evolve --generations 200 --patience 0 --seed 11": (
        "unit/discover/test_evolve_proposer.py::test_200_candidates_from_a_cold_start_find_a_loss_at_least_as_good_as_dpo"
    ),
    "python -m harness.checks.draw_bank PROFILE": "unit/checks/test_bank.py::test_it_is_what_is_drawn_today",
    "python -m bench NAME": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench NAME --small --times 1": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench cold": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench threads": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench finetune-step": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench finetune-cached": "integration/test_bench.py::test_each_figure_is_measured_once",
    "python -m bench.phases [LOSS]": "integration/test_bench.py::test_each_script_runs_once",
    "python -m bench.emulated [CPU...]": (
        "unit/test_pins.py::test_pinned_numbers_are_these_on_every_processor_and_others_are_not"
    ),
    "python -m bench.emulated Nehalem EPYC": (
        "unit/test_pins.py::test_pinned_numbers_are_these_on_every_processor_and_others_are_not"
    ),
    "python -m bench.digits": "integration/test_bench.py::test_each_script_runs_once",
    "python -m bench.many": "integration/test_bench.py::test_each_script_runs_once",
    "python -m bench.against --old FOLDER": "integration/test_bench.py::test_each_script_runs_once",
    "python -m bench.against --old FOLDER --times 21 static leaderboard": (
        "integration/test_bench.py::test_each_script_runs_once"
    ),
    "python -m bench.against --old FOLDER --files 8 drain": "integration/test_bench.py::test_each_script_runs_once",
    "harness frontier dpo loss.py": "unit/ladder/test_sweep.py::test_the_frontier_is_told_written_and_drawn",
    "harness frontier dpo slic lrml": "unit/ladder/test_sweep.py::test_the_frontier_is_told_written_and_drawn",
    "harness diverge loss.py": "unit/ladder/test_sweep.py::test_what_diverges_is_told_beside_what_was_foretold",
    "harness diverge examples/discopop.py examples/guarded_discopop.py": (
        "unit/ladder/test_sweep.py::test_what_diverges_is_told_beside_what_was_foretold"
    ),
    "harness diverge examples/discopop.py examples/guarded_discopop.py --betas 1,2.5 --rate 0.01": (
        "unit/ladder/test_sweep.py::test_what_diverges_is_told_beside_what_was_foretold"
    ),
}

#: What this machine cannot have, or must not do: why.
NOT_HERE = {
    "harness keys init --identity NAME --issuer URL": "it needs an identity of the network's",
    "harness keys trust-identity": "as above",
    "make test-rest": "it is what runs this",
    "make test-all": "it runs this as well",
    "make bench": "every figure, half an hour: single figures are run",
    "make lock": "it needs a package index, and writes other locks with every release",
    "python -m harness.setup.relock --upgrade": "as `make lock`; what it asks for is held by unit/test_relock.py",
    "make trace": "it needs root and strace on the machine's own containerd",
    "python -m bench.trace": "as `make trace`",
    "harness discover --proposer openai:MODEL --generations 20": "it needs a key; run against a server of ours",
    "harness discover --contract classification --proposer openai:MODEL": "it needs a key",
    "harness run loss.py --profile cifar10 --data-dir FOLDER --gpu auto": "it needs a GPU and CIFAR-10",
    "harness run --gpu 0,1": "it needs two GPUs",
    "harness frontier --ladder imdb": "it needs a GPU, and the model, the pairs and the classifier of the paper",
    "harness worker --gpus-each 2": "it needs two GPUs",
}

#: Programs of others, which stand for what people do with their own machine.
OTHERS = {
    "docker context use": "changes which engine the user's other programs talk to",
    "docker image rm TAG": "removes an image",
    "docker image ls": "prints what the engine says",
    "docker image prune": "removes images",
    "docker info": "prints what the engine says",
    "docker load": "brings an image in",
    "docker run": "a way of running, in the name of a figure",
    "docker run --rm": "the same",
    "docker save harness-base:...": "the same",
    "docker save harness-sandbox:cpu-... | gzip": "half a gigabyte",
    "docker save harness-sandbox:cpu-... | tar x": "the same",
    "dockerd-rootless-setuptool.sh install": "installs an engine",
    "git checkout COMMIT": "another commit than the one under test",
    "pip download --require-hashes --no-deps --only-binary=:all: -r dockerfiles/locks/host.txt -d wheels": (
        "it needs a package index"
    ),
    "podman save --format docker-archive": "half a gigabyte",
    "systemctl --user enable --now podman.socket": "it needs Podman and systemd",
}
