"""A sentence is said in any language by its code and parameters, also long after it was written down."""

from datetime import date

import msgspec
import pytest

from app.errors import Violation
from app.money import Money
from app.readmodels.orders import OrderReason
from app.words.sentence import Phrase, Sentence, in_language, say, together
from app.words.worded import Worded, has_sentences, translated

DUE = date(2026, 12, 1)


class Shown(Worded, frozen=True, kw_only=True):
    """Something with sentences."""

    text: str
    hints: list[str]
    text_phrases: tuple[Phrase, ...] = ()
    hints_phrases: tuple[tuple[Phrase, ...], ...] = ()


def test_amounts_and_days_are_written_as_the_language_does() -> None:
    said = say("timeline.invoice_issued_over_by", number="77", amount=Money("3278", "JPY"), due_on=DUE)
    assert said == "Invoice 77 over ¥3,278 was issued, to be paid by December 1, 2026."
    assert in_language(said, "ja") == "請求書77（3,278円）を発行しました。お支払い期限は2026年12月1日です。"
    assert said.phrases[0].params == {
        "number": "77",
        "amount": {"amount": "3278", "currency": "JPY"},
        "due_on": "2026-12-01",
    }


@pytest.mark.parametrize(
    ("amount", "english", "japanese"),
    [
        (Money("-500", "JPY"), "-¥500", "-500円"),
        (Money("12.50", "USD"), "12.50 USD", "12.50 USD"),
        (Money("1234567.8", "EUR"), "1,234,567.8 EUR", "1,234,567.8 EUR"),
    ],
)
def test_amounts(amount: Money, english: str, japanese: str) -> None:
    said = say("timeline.payment_received", amount=amount, number="1")
    assert (english in said, japanese in in_language(said, "ja")) == (True, True)


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 invoice is"), (2, "2 invoices are"), (1_000, "1,000 invoices are")]
)
def test_plurals(count: int, words: str) -> None:
    assert words in say("tasks.pay_invoices", count=count)


def test_what_has_not_the_shape_of_its_format_is_written_as_it_is() -> None:
    assert "on soon" in say("subscriptions.cancels_on", on="soon")


def test_a_sentence_may_consist_of_several_and_contain_others() -> None:
    both = together(say("dunning.unpaid", number="7"), say("dunning.pay"))
    assert in_language(both, "ja").count("。") == 2
    bills = say("promotions.first_bills", count=3)
    nested = say("promotions.percent", code="X", value="10", when=bills)
    assert nested == "X: 10 % off the first 3 bills."
    assert in_language(nested, "ja") == "X：最初の3回のご請求が10%割引になります。"


def test_a_struct_takes_its_phrases_from_its_sentences() -> None:
    shown = Shown(text=say("dunning.pay"), hints=[say("tasks.add_method"), "as it is"])
    assert type(shown.text) is str
    body = msgspec.json.encode(shown)
    assert msgspec.json.decode(body, type=Shown) == shown
    assert (
        msgspec.json.decode(translated(body, "ja"))["text"]
        == "お支払いいただくか、別のお支払い方法を追加してください。"
    )
    hints = msgspec.json.decode(translated(body, "ja"))["hints"]
    assert hints == ["お支払い方法が登録されていません。追加してください。", "as it is"]
    assert translated(body, "en") is body


def test_a_sentence_of_another_release_stays() -> None:
    for phrases in ('[{"code":"no.such","params":{}}]', '[{"code":"dunning.unpaid","params":{}}]', "[5]", "[]"):
        body = b'{"text":"Hello.","text_phrases":%b}' % phrases.encode()
        assert msgspec.json.decode(translated(body, "ja"))["text"] == "Hello."


def test_replacing_a_sentence_replaces_its_phrases() -> None:
    first = OrderReason("a", say("orders.in_review"))
    second = msgspec.structs.replace(first, message=say("orders.approved"))
    assert [each.code for each in second.message_phrases] == ["orders.approved"]


def test_types_with_sentences_are_known_through_what_they_contain() -> None:
    class Holds(msgspec.Struct):
        items: list[Violation] | None
        again: "str | None" = None

    class Plain(msgspec.Struct):
        text: str

    assert has_sentences(Holds)
    assert not has_sentences(Plain)


def test_an_unknown_code_is_not_said() -> None:
    with pytest.raises(KeyError):
        say("no.such")
    with pytest.raises(KeyError):
        say("dunning.unpaid")
    assert in_language("as it is", "ja") == "as it is"
    assert in_language(Sentence("as it is", ()), "ja") == "as it is"
