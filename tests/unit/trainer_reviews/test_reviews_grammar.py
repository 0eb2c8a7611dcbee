"""The language of the embedded source: what is drawn is in it, what is off by one word is not."""

from __future__ import annotations

import numpy as np
import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from harness.trainer.reviews import embedded
from harness.trainer.reviews.embedded import Words


def draw(count: int, seed: int = 0) -> list[tuple[str, str]]:
    random = np.random.Generator(np.random.PCG64(seed))
    return [embedded.review(random) for _ in range(count)]


def test_every_drawn_review_is_one() -> None:
    assert all(embedded.is_review(*review) for review in draw(2000))


def test_there_are_nine_templates() -> None:
    assert len(embedded.OPENINGS) + len(embedded.REMARKS) + len(embedded.CLOSINGS) == 9


@pytest.mark.parametrize(
    ("opening", "rest"),
    [
        ("we saw this film today at home .", "i loved the plot ."),  # no closing
        ("we saw this film today at home .", "what a good treat !"),  # no remark
        (
            "we saw this film today at home .",
            "i loved the plot . i loved the plot . i loved the plot . what a good treat !",
        ),
        ("we saw this film today at home .", "what a good treat ! i loved the plot ."),
        ("we saw this film today at home .", "i loved the plot . what a good treat ! what a good treat !"),
        (
            "we saw this film today at home .",
            "the plot was very happy . what a good treat !",
        ),  # a feeling for a quality
        ("we saw this film today at home .", "i loved the hero . what a good treat !"),
        ("we saw this film today at home .", " i loved the plot . what a good treat !"),
        ("we saw this film today at home", "i loved the plot . what a good treat !"),
        ("we saw this good today at home .", "i loved the plot . what a good treat !"),
        ("", ""),
    ],
)
def test_what_is_off_is_told(opening: str, rest: str) -> None:
    assert embedded.is_review("we saw this film today at home .", "i loved the plot . what a good treat !")
    assert not embedded.is_review(opening, rest)


def test_a_word_of_another_slot_in_any_place_is_told() -> None:
    """Each place of a review takes the words of its slot and no other: tried with every word of the language."""
    opening, rest = (
        "my aunt".replace("aunt", "uncle") + " picked a film by the same team .",
        "i loved the plot . what a good treat !",
    )
    words = rest.split()
    taken = [
        {w for w in embedded.words() if embedded.is_review(opening, " ".join([*words[:i], w, *words[i + 1 :]]))}
        for i in range(len(words))
    ]
    quality, did = (set(embedded.JUDGED[slot][0] + embedded.JUDGED[slot][1]) for slot in ("QUALITY", "DID"))
    thing = set(embedded.JUDGED["THING"][0] + embedded.JUDGED["THING"][1])
    one = [{w} for w in ("i", "the", ".", "what", "a", "!")]
    assert taken == [one[0], did, one[1], set(embedded.PLAIN["part"]), one[2], one[3], one[4], quality, thing, one[5]]


def test_judgements_are_what_vader_says_and_openings_say_nothing() -> None:
    lexicon = SentimentIntensityAnalyzer().lexicon
    for praise, blame in embedded.JUDGED.values():
        assert all(lexicon[w] > 0 for w in praise)
        assert all(lexicon[w] < 0 for w in blame)
    said = {w for template in embedded.OPENINGS for w in template.split()}
    slots = {w for slot in ("genre", "when", "place", "who", "maker") for w in embedded.PLAIN[slot]}
    assert not (said | slots) & set(lexicon)


def test_four_judgements_in_five_agree_with_their_review() -> None:
    praise = {w for two in embedded.JUDGED.values() for w in two[0]}
    blame = {w for two in embedded.JUDGED.values() for w in two[1]}
    share = [
        sum(w in praise for w in words) / sum(w in praise | blame for w in words)
        for words in (rest.split() for _, rest in draw(3000))
    ]
    # A mixture of two kinds, .8 and .2: mean .5, and a variance that one kind with .5 would not have.
    assert abs(np.mean(share) - 0.5) < 0.02
    assert np.std(share) > 0.3


def test_words_become_tokens_and_back() -> None:
    words = Words()
    for opening, rest in draw(50):
        assert words.decode(words.encode(opening)) == opening
        assert words.decode((*words.encode(rest), 0)) == rest
    assert len(set(words.words)) == len(words.words)
    with pytest.raises(KeyError):
        words.encode("unheard")
