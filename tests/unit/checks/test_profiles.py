"""Profiles are frozen: this test knows the file of each one by its digest."""

from __future__ import annotations

import pytest

from harness.checks.catalogue import all_rules
from harness.core import profiles
from harness.core.domain import PAPER_BETAS, Domain
from harness.core.errors import UserError
from harness.core.limits import MIB, Limits

#: A change of a published profile is a new profile. This line is added to, and never edited.
DIGESTS = {
    "2026.1": "ff6928c249fd3fcb852d0a05855411b3a269836a6696068cc38e76ba7a9a9034",
    "classification-2026.1": "87b275cac10588ba02c51bcdf86765ba1da652b96056f0ac145d5fe1d2253eaf",
    "2026.2": "47d69909fa6f766cc84185de4270a9b5d6b564e7fbb4871530bb17bf662fa4d7",
    "classification-2026.2": "8d6a7e1145d6429c6cb9cf105acdee938042e3d1d6386ca94b09dee90de9e459",
    "lists-2026.1": "212d521a70586a0a20fb63cc2c286d03d4dc1555132e09174d8c9db38418b7ba",
}


def test_the_published_profiles_are_as_they_were() -> None:
    assert {name: profiles.load(name).digest for name in profiles.names()} == DIGESTS


def test_the_default_is_one_of_them() -> None:
    assert profiles.DEFAULT in profiles.names()


def test_profile_2026_1() -> None:
    profile = profiles.load("2026.1")
    assert (profile.name, profile.date, profile.contract) == ("2026.1", "2026-11-21", "preference")
    assert (profile.domain.beta_low, profile.domain.beta_high, profile.domain.reach) == (0.025, 1.0, 50.0)
    assert set(profile.properties) == {f"P{n}" for n in range(301, 319)}
    assert len(set(profile.properties)) == len(profile.properties)
    assert profile.gpu is True


def test_its_limits_are_stated_and_bounded() -> None:
    limits = profiles.load("2026.1").limits(gpu=False)
    assert limits == Limits()
    assert limits.memory == 1024 * MIB
    assert limits.output == MIB


@pytest.mark.parametrize("name", profiles.names())
def test_every_rule_of_a_profile_exists(name: str) -> None:
    assert set(profiles.load(name).properties) <= {rule.id for rule in all_rules()}


@pytest.mark.parametrize("name", ["2025.1", "", "../2026.1", "2026.1.toml", "2026.1 ", "__init__"])
def test_a_profile_that_there_is_not(name: str) -> None:
    with pytest.raises(UserError, match="no profile") as caught:
        profiles.load(name)
    assert "2026.1" in caught.value.remedy


def test_the_papers_betas_in_the_domain() -> None:
    assert Domain().betas == (0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
    assert Domain(beta_low=0.01, beta_high=5.0).betas == PAPER_BETAS
