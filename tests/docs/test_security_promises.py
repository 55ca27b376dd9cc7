"""Every sentence of docs/security.md that says `nobody`, `never`, `refuses` or `cannot` has a test that tries."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISE = re.compile(r"\b(nobody|never|refuse|refuses|refused|cannot)\b", re.I)
PROMISES: dict[str, tuple[str, ...]] = {
    "| nobody |": ("http/guards/test_roles.py::test_every_route_lets_in_whom_it_should_and_nobody_else",),
    "one common word with digits and signs around it is refused": (
        "commands/identity/test_passwords.py::test_what_is_easy_to_guess_is_refused_and_told_why",
        "commands/identity/test_passwords.py::test_a_password_that_is_made_of_the_users_own_words_or_of_ours_is_refused",
    ),
    "a login or change proven by the old password is refused": (
        "http/routes/identity/test_passwords.py::test_of_many_changes_of_one_password_at_once_one_wins",
        "http/routes/identity/test_passwords.py::test_a_change_that_was_proven_before_a_reset_does_not_undo_it",
        "http/routes/identity/test_passwords.py::test_a_login_with_the_old_password_does_not_outlive_its_change",
    ),
    "Nobody can lock a customer out": (
        "http/routes/identity/test_lockout.py::test_the_right_password_from_a_new_address_gets_in_within_seconds_while_strangers_try",
        "http/routes/identity/test_lockout.py::test_an_address_that_is_known_is_not_held_up_by_strangers",
        "http/routes/identity/test_lockout.py::test_a_stranger_behind_the_same_address_locks_nobody_out",
        "http/routes/identity/test_lockout.py::test_after_a_reset_the_customer_gets_in_though_strangers_go_on",
        "http/routes/identity/test_lockout.py::test_a_code_is_mailed_however_many_strangers_asked_for_one",
    ),
    "never gets unlimited guesses": (
        "http/routes/identity/test_lockout.py::test_a_code_takes_the_place_of_nothing",
        "http/routes/identity/test_lockout.py::test_a_reader_of_the_mailbox_gets_no_unlimited_guesses_either",
        "http/routes/identity/test_lockout.py::test_with_the_mailbox_too_guesses_at_the_second_factor_are_few",
        "http/routes/identity/test_lockout.py::test_resets_one_after_another_give_no_unlimited_guesses_at_the_second_factor",
        "http/routes/identity/test_lockout.py::test_strangers_at_many_addresses_get_no_unlimited_guesses",
    ),
    "their times cannot be distinguished": (
        "http/routes/identity/test_lockout.py::test_no_answer_reveals_whether_a_user_exists",
    ),
    "never silence the customer's own request": (
        "http/routes/identity/test_passwords.py::test_strangers_who_ask_for_resets_never_silence_the_customers_own",
        "http/routes/identity/test_passwords.py::test_a_mail_that_could_not_be_sent_does_not_silence_its_own_repetition",
        "http/routes/identity/test_passwords.py::test_a_mailbox_is_not_filled",
    ),
    "the old token is refused from then on": (
        "http/routes/identity/test_second_factor.py::"
        "test_the_session_goes_on_under_another_token_and_the_old_one_is_refused_in_every_process",
    ),
    "without `SMTP_HOST` nobody can reset": (
        "http/routes/identity/test_passwords.py::test_without_a_mail_server_nobody_can_reset_a_password",
    ),
    "invisible characters are refused": (
        "inputs/test_text.py::test_every_control_and_format_character_of_unicode_is_refused_in_a_line",
        "inputs/test_text.py::test_what_breaks_a_line_or_hides_in_it_is_refused",
        "http/test_every_body.py::test_every_text_of_every_body_has_a_rule",
        "http/test_every_body.py::test_no_rule_lets_a_line_break_through_but_those_of_several_lines",
    ),
    "never contain what a customer wrote": ("commands/test_mail_outbox.py::test_no_mail_holds_what_a_customer_wrote",),
    "cannot make the portal send that person a text": (
        "commands/test_mail_outbox.py::test_no_mail_holds_what_a_customer_wrote",
    ),
    "Nothing is ever sent to what is not exactly one mailbox": (
        "integrations/test_mail.py::test_nothing_is_sent_to_what_is_not_exactly_one_mailbox",
    ),
    "for every login, command and staff access, refused ones included": (
        "http/guards/test_roles.py::test_staff_access_is_audited_the_refused_too",
    ),
    "The database refuses to change, delete or empty it": (
        "http/test_audit.py::test_nobody_rewrites_it",
        "test_database_role.py::test_the_role_of_the_processes_cannot_rewrite_what_is_audited",
        "test_database_role.py::test_an_erasure_forgets_addresses_of_one_customer_and_nothing_else",
    ),
    "can neither change nor empty the audit log, nor disable what refuses it": (
        "test_database_role.py::test_the_role_of_the_processes_cannot_rewrite_what_is_audited",
    ),
    "| nobody, by signature or from inside |": (
        "http/guards/test_networks.py::test_strangers_do_not_read_measures_and_neighbours_do",
        "http/middleware/test_request_bodies.py::test_only_signed_webhooks_pass_admission",
    ),
    "| secrets |": ("journey/test_hygiene.py::test_nothing_is_written_that_should_not_be",),
    "| personal |": ("journey/test_hygiene.py::test_nothing_is_written_that_should_not_be",),
    "| operators' |": ("http/test_audit.py::test_nobody_rewrites_it",),
    "nobody gets any of it with half a request": (
        "http/middleware/test_request_bodies.py::test_half_sent_bodies_block_neither_webhooks_nor_the_api",
        "http/middleware/test_request_bodies.py::test_one_account_cannot_take_every_place",
        "http/middleware/test_request_bodies.py::test_one_address_cannot_take_every_place",
        "http/middleware/test_request_bodies.py::test_one_address_cannot_take_every_connection",
        "http/streaming/test_stream_slots.py::test_several_processes_have_one_limit_together",
    ),
    "Payment card numbers never reach the portal": (
        "integrations/whmcs/test_records.py::test_a_pay_method_keeps_brand_and_last_four_and_leaves_the_token_behind",
    ),
}


def sentences() -> list[str]:
    """Return the sentences of the document; a table row is one."""
    text = (ROOT / "docs" / "security.md").read_text()
    blocks = re.split(r"\n\s*\n|\n(?=- |\| |#)", text)
    return [each for block in blocks for each in re.split(r"(?<=[.!?])\**\s+(?=[A-Z`*])", " ".join(block.split()))]


def test_every_promise_has_a_test_that_tries() -> None:
    promises = [each for each in sentences() if PROMISE.search(each)]
    assert len(promises) >= len(PROMISES) - 2
    assert [each for each in promises if not any(part in each for part in PROMISES)] == []


def test_no_promise_is_kept_that_is_not_made() -> None:
    said = " ".join(sentences())
    assert [part for part in PROMISES if part not in said] == []


@pytest.mark.parametrize("test", sorted({each for tests in PROMISES.values() for each in tests}))
def test_the_tests_are_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / path).read_text()
