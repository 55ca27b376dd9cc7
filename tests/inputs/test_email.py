"""E-mail addresses: one mailbox and nothing else."""

import pytest

from app.inputs import email
from app.inputs.rule import Unfit

NOT_ONE_MAILBOX = [
    "a,b@x.example",
    "%0aBcc:x@y.zz",
    "foo:victim@example.com",
    "a@b.example,c@d.example",
    "a b@x.example",
    "a\r\nBcc: c@d.example",
    "a@x.exam\u202eple",
    "a;b@x.example",
    "<a@x.example>",
    "Hana <a@x.example>",
    '"a b"@x.example',
    "a(comment)@x.example",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "@route.example:a@x.example",
    "a@b@x.example",
    "@x.example",
    "a@",
    "a",
    "",
    "a@x..example",
    "a@-x.example",
    "a@x_y.example",
    "花@x.example",
    "a\\b@x.example",
    "a@x.example\x00",
    "=?utf-8?q?hana?=@x.example",
    "=?utf-8?q?a=0d=0aBcc=3ab=40c.example?=@x.example",
    "=?us-ascii?b?dmljdGltQGV2aWw=?=@x.example",
    "+=?utf-7?Q?a?=@x.example",
    "l" * 65 + "@x.example",
    "a@" + "x" * 64 + ".example",
    "a@" + "x." * 130 + "example",
]
NEVER = [each for each in NOT_ONE_MAILBOX if each != "a@127.0.0.1"]
"""A host's number is nothing to sign up with, and still one mailbox."""


@pytest.mark.parametrize("given", NOT_ONE_MAILBOX)
def test_what_could_be_two_addresses_a_header_or_a_name_is_refused(given: str) -> None:
    with pytest.raises(Unfit) as unfit:
        email.new(given)
    assert unfit.value.code == "email_invalid"


@pytest.mark.parametrize("given", NEVER)
def test_it_is_no_address_to_look_up_or_to_send_to_either(given: str) -> None:
    assert not email.is_sendable(given)
    with pytest.raises(Unfit):
        email.known(given)


@pytest.mark.parametrize(
    ("given", "usual"),
    [
        ("Hana.Sato+portal@Example.JP", "hana.sato+portal@example.jp"),
        ("\thana@example.jp \n", "hana@example.jp"),
        ("ｈａｎａ＠ｅｘａｍｐｌｅ．ｊｐ", "hana@example.jp"),
        ("hana@日本語.jp", "hana@xn--wgv71a119e.jp"),
        ("o'brien@x.example", "o'brien@x.example"),
        ("x@bücher.рф", "x@xn--bcher-kva.xn--p1ai"),
    ],
)
def test_one_mailbox_has_one_spelling(given: str, usual: str) -> None:
    assert email.new(given) == email.known(given) == usual
    assert email.is_sendable(usual)


@pytest.mark.parametrize("given", ["taro..yamada@docomo.example", "hanako.@ezweb.example", ".x@y.example"])
def test_what_japanese_carriers_gave_out_may_log_in_and_not_sign_up(given: str) -> None:
    assert email.known(given) == given
    with pytest.raises(Unfit):
        email.new(given)


def test_members_of_staff_may_be_in_a_network_of_their_own() -> None:
    assert email.known("Op@localhost") == "op@localhost"
