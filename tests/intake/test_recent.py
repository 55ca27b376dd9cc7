"""A flood of new entries pushes out what was not used for the longest time, and nothing else."""

from app.intake.recent import Recent


def test_the_one_that_was_not_used_for_the_longest_time_goes_first() -> None:
    recent: Recent[str, int] = Recent(3)
    for number, key in enumerate("abc"):
        assert recent.put(key, number) is None
    assert recent.seen("a") == 0
    assert recent.put("d", 3) == ("b", 1)
    assert recent.put("a", 9) is None
    assert recent.put("e", 4) == ("c", 2)
    assert dict(recent) == {"d": 3, "a": 9, "e": 4}
    assert recent.seen("b") is None


def test_a_flood_does_not_touch_what_is_in_use() -> None:
    recent: Recent[object, int] = Recent(100)
    recent.put("mine", 5)
    for number in range(10_000):
        recent.put(number, 1)
        if number % 50 == 0:
            assert recent.seen("mine") == 5
    assert len(recent) == 100
