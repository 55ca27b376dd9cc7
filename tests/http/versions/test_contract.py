"""Which version a request gets, by its header and by the clock, and which registrations are refused."""

import time
from datetime import date, datetime, timedelta

import msgspec
import pytest

from app.cli.document import unconfigured
from app.http.app import build
from app.http.policies.ending import GRACE_DAYS, AnnouncedEnd, ending_headers
from app.http.policies.table import routes_of
from app.http.versions.contract import Contract
from app.http.versions.endings import overdue_operations
from app.http.versions.registry import VERSIONS
from app.http.versions.version import ContractChange, ContractVersion
from app.settings import Settings
from tests.http.versions import invented
from tests.http.versions.invented import ENDING, FORMER, NEWEST, SUNSET, Clock

BEFORE = datetime.fromisoformat("2027-12-31T23:59:59+00:00")
AFTER = datetime.fromisoformat("2028-01-01T00:00:00+00:00")
CHANGE = ContractChange(operations=("listInvoices",), says="Something.")


def name(contract: Contract, header: bytes | None) -> str | None:
    found = contract.asked(header)
    return found.name if found else None


def test_without_the_header_a_request_gets_the_oldest_version_and_with_it_the_one_it_names() -> None:
    contract = invented.contract()
    assert name(contract, None) == FORMER
    assert [name(contract, each.encode()) for each in (FORMER, NEWEST)] == [FORMER, NEWEST]
    assert contract.names == [NEWEST, FORMER]


@pytest.mark.parametrize("header", [b"", b"2099-01-01", b"2026-11-29", b"newest", b"2026-11-30 ", b"\xff", b"*"])
def test_what_names_no_version_gets_none_and_is_told_which_there_are(header: bytes) -> None:
    contract = invented.contract()
    assert contract.asked(header) is None
    error = contract.refusal(header)
    assert (error.code, error.errors[0].params) == ("version_unknown", {"choices": [NEWEST, FORMER]})


def test_a_version_ends_by_the_clock_and_the_next_one_takes_its_place() -> None:
    clock = Clock(BEFORE)
    contract = invented.contract(clock)
    assert (name(contract, None), name(contract, FORMER.encode())) == (FORMER, FORMER)
    clock.now = AFTER.timestamp()
    assert (name(contract, None), name(contract, FORMER.encode())) == (NEWEST, None)
    assert contract.refusal(FORMER.encode()).code == "version_removed"
    assert contract.names == [NEWEST]


def test_a_version_that_has_left_the_code_is_still_called_removed() -> None:
    contract = Contract(VERSIONS, ["2025-01-01"])
    assert contract.refusal(b"2025-01-01").code == "version_removed"
    assert contract.refusal(b"2025-01-02").code == "version_unknown"


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ([], "registered"),
        ([*invented.VERSIONS[::-1]], "newest last"),
        ([invented.VERSIONS[1], invented.VERSIONS[1]], "each once"),
        ([invented.VERSIONS[0]], "newest version has nothing"),
        ([ContractVersion(day=date(2026, 11, 30)), invented.VERSIONS[1]], "changes nothing"),
        (
            [
                ContractVersion(day=date(2026, 1, 1), changes=(CHANGE,)),
                ContractVersion(day=date(2026, 6, 1), changes=(CHANGE,), ending=ENDING),
                ContractVersion(day=date(2027, 6, 1)),
            ],
            "ends after its successor",
        ),
    ],
)
def test_a_registration_that_contradicts_itself_is_refused(versions: list[ContractVersion], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract(versions)


def test_a_version_that_changes_an_operation_that_does_not_exist_is_refused(settings: Settings) -> None:
    versions = (msgspec.structs.replace(invented.VERSIONS[0], changes=(CHANGE,)), invented.VERSIONS[1])
    build(settings, Contract(versions))
    wrong = msgspec.structs.replace(CHANGE, operations=("listBills",))
    with pytest.raises(ValueError, match="listBills"):
        build(settings, Contract((msgspec.structs.replace(versions[0], changes=(wrong,)), versions[1])))


def test_an_end_without_half_a_year_of_notice_is_refused() -> None:
    with pytest.raises(ValueError, match="half a year"):
        AnnouncedEnd(deprecated_on=date(2027, 1, 1), sunset_on=date(2027, 6, 1))


def test_the_headers_of_several_ends_name_the_earliest_days_and_every_page() -> None:
    later = AnnouncedEnd(deprecated_on=date(2027, 1, 1), sunset_on=date(2029, 1, 1), see="/docs/versions#later")
    assert ending_headers([None, None]) == []
    assert dict(ending_headers([ENDING, None, later])) == {
        b"deprecation": b"@1798761600",
        b"sunset": b"Sat, 01 Jan 2028 00:00:00 GMT",
        b"link": b'</docs/versions#2027-06-01>; rel="deprecation"; type="text/html", '
        b'</docs/versions#later>; rel="deprecation"; type="text/html"',
    }


def test_what_is_served_past_its_end_and_grace_is_found() -> None:
    overdue = datetime.combine(SUNSET + timedelta(days=GRACE_DAYS), datetime.min.time(), AFTER.tzinfo)
    assert invented.contract(Clock(overdue - timedelta(seconds=1))).overdue() == []
    assert invented.contract(Clock(overdue)).overdue() == [FORMER]


def test_nothing_is_in_the_code_past_its_end_and_grace() -> None:
    """Fails by the calendar: then remove the file of the version, and the operation, and what only they need."""
    assert Contract().overdue() == []
    assert overdue_operations(routes_of(unconfigured()), time.time()) == []
