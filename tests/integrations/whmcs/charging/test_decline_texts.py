"""What gateways write is read in any form, made safe to show, and costs no time whatever it is."""

import json
import time

import pytest

from app.integrations.whmcs.charging.decline_texts import MOST_KEPT, read, without

STRIPE = {
    "error": {
        "code": "card_declined",
        "decline_code": "stolen_card",
        "message": "Your card was declined.",
        "payment_method": {"billing_details": {"name": "Hana Sato", "email": "hana@example.jp"}, "id": "pm_1NqT2x"},
        "type": "card_error",
    }
}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (json.dumps(STRIPE), "stolen_card"),
        (f"Stripe\\Exception: {json.dumps(STRIPE)} at line 3", "stolen_card"),
        ("Array\n(\n    [decline_code] => insufficient_funds\n    [Customer] => Hana Sato\n)", "insufficient_funds"),
        ("RESULT=12\nRESPMSG=Declined\nresponse_code => 51", "51"),
        ('{"name":"UNPROCESSABLE_ENTITY","details":[{"issue":"INSTRUMENT_DECLINED"}]}', "instrument_declined"),
        ("&lt;b&gt;Your card&#39;s security code is incorrect.&lt;/b&gt;", "incorrect_number"),
        ("Refused (do_not_honor)", "do_not_honor"),
        ("processor_response_code: 9520", "9520"),
    ],
)
def test_codes_are_found_in_every_form(raw: str, code: str) -> None:
    assert code in read(raw).codes


def test_staff_read_the_fields_for_people_alone() -> None:
    assert read(json.dumps(STRIPE)).text == "Your card was declined."
    assert read("[Customer] => Hana Sato\n[message] => Refused by bank").text == "Refused by bank"
    assert read("[Customer] => Hana Sato\n[id] => pm_1NqT2xYzAbCdEfGh").text == ""


@pytest.mark.parametrize(
    "said",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "424242******4242 42424242",
        "4242<b>4242</b>4242&nbsp;4242",
        "\u0664\u0662\u0664\u0662\u0664\u0662\u0664\u0662\u0664\u0662\u0664\u0662\u0664\u0662\u0664\u0662",
        "+81 90 1234 5678",
        "hana@example.jp",
        "pm_1NqT2xYzAbCdEfGh",
        "<script>4242424242424242</script>",
    ],
)
def test_no_number_address_or_token_is_left(said: str) -> None:
    text = read(f"Refused: {said} by the bank").text
    assert not any(part in text for part in ("4242 4242", "42424242", "1234", "@", "1NqT", "<", "\u0664\u0662"))
    assert text.startswith("Refused:")
    assert text.endswith("by the bank")


def test_short_numbers_of_a_reason_stay() -> None:
    assert read("Refused (51) by bank 4242 today").text == "Refused (51) by bank 4242 today"


def test_a_customers_own_words_are_taken_out_whatever_their_case() -> None:
    line = without("HANA SATO of Chiyoda 1-1 was refused (a)", ["Hana", "Sato", "Chiyoda 1-1", "", "a"])
    assert line == "[…] […] of […] was refused (a)"


@pytest.mark.parametrize(
    "hostile",
    [
        "4 " * 50_000,
        "4" * 100_000,
        "<" * 100_000,
        "<a " * 50_000,
        "<script" * 30_000,
        "{" * 100_000,
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        '{"code":' * 3_000 + '"x"' + "}" * 3_000,
        "code" * 50_000,
        "[code] => " * 20_000,
        "a_" * 50_000,
        "@" * 100_000,
        "x@" * 50_000,
        "card " * 30_000,
        "&#" * 50_000,
        "\u202e" * 100_000,
        "\ufdfa" * 20_000,
    ],
    ids=lambda each: ascii(each[:8]),
)
def test_a_hostile_text_costs_no_time_and_no_room(hostile: str) -> None:
    started = time.process_time()
    found = read(hostile)
    assert time.process_time() - started < 1.0
    assert len(found.text) <= MOST_KEPT
    assert all(len(each) <= MOST_KEPT for each in found.codes)
