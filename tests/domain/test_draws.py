"""A draw that can be checked."""

import hashlib

from backorders.domain.draws import pledge_of, ticket


def test_the_pledge_is_the_hash_that_anybody_can_make_of_the_seed():
    assert pledge_of("seed") == hashlib.sha256(b"seed").hexdigest() != pledge_of("another")


def test_the_same_seed_draws_the_same_and_another_draws_another():
    def draw(seed):
        return sorted(range(100), key=lambda number: ticket(seed, number))

    assert draw("a") == draw("a") != draw("b")
    assert draw("a") != list(range(100))


def test_everybody_is_first_as_often_as_anybody():
    wins = [min(range(4), key=lambda number, n=n: ticket(f"seed {n}", number)) for n in range(4000)]

    assert all(900 < wins.count(number) < 1100 for number in range(4))


def test_three_tickets_are_first_three_times_as_often_as_one():
    ahead = sum(ticket(f"seed {n}", 1, tickets=3) < ticket(f"seed {n}", 2) for n in range(4000))

    assert 2900 < ahead < 3100
