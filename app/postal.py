"""Postal addresses: the one shape, and the spelling rules. Japan in full, elsewhere what holds everywhere.

What a request may send has a shape of its own, with limits that the OpenAPI document publishes; it becomes an `Address`
before anything else is done with it.
"""

import re
import unicodedata

from msgspec import Struct
from msgspec.structs import asdict, replace

from app.errors import Violation
from app.inputs.numbers import folded
from app.words.sentence import say

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2."""
PREFECTURES = {
    **{"北海道": "Hokkaido", "青森県": "Aomori", "岩手県": "Iwate", "宮城県": "Miyagi", "秋田県": "Akita"},
    **{"山形県": "Yamagata", "福島県": "Fukushima", "茨城県": "Ibaraki", "栃木県": "Tochigi", "群馬県": "Gunma"},
    **{"埼玉県": "Saitama", "千葉県": "Chiba", "東京都": "Tokyo", "神奈川県": "Kanagawa", "新潟県": "Niigata"},
    **{"富山県": "Toyama", "石川県": "Ishikawa", "福井県": "Fukui", "山梨県": "Yamanashi", "長野県": "Nagano"},
    **{"岐阜県": "Gifu", "静岡県": "Shizuoka", "愛知県": "Aichi", "三重県": "Mie", "滋賀県": "Shiga"},
    **{"京都府": "Kyoto", "大阪府": "Osaka", "兵庫県": "Hyogo", "奈良県": "Nara", "和歌山県": "Wakayama"},
    **{"鳥取県": "Tottori", "島根県": "Shimane", "岡山県": "Okayama", "広島県": "Hiroshima", "山口県": "Yamaguchi"},
    **{"徳島県": "Tokushima", "香川県": "Kagawa", "愛媛県": "Ehime", "高知県": "Kochi", "福岡県": "Fukuoka"},
    **{"佐賀県": "Saga", "長崎県": "Nagasaki", "熊本県": "Kumamoto", "大分県": "Oita", "宮崎県": "Miyazaki"},
    **{"鹿児島県": "Kagoshima", "沖縄県": "Okinawa"},
}
"""The 47, as they write themselves → as the alphabet writes them."""

_KANJI = {**{name: name for name in PREFECTURES}, **{name[:-1]: name for name in PREFECTURES if name != "北海道"}}
_ROMAJI = {name.lower(): name for name in PREFECTURES.values()}
_SUFFIX = re.compile(r"[- ]?(to|do|fu|ken|prefecture|pref\.?)$")
_PREFECTURE = re.compile("|".join(PREFECTURES))
_JAPANESE_POSTCODE = re.compile(r"([0-9]{3})-?([0-9]{4})")
LONGEST_LINE = 255
"""What Salesforce keeps of an address in one line."""


class Address(Struct, frozen=True, kw_only=True):
    """A postal address, as WHMCS keeps it."""

    address1: str
    address2: str
    city: str
    state: str
    """Prefecture, state or province."""
    postcode: str
    country: str


def normalised(address: Address, *, within: str = "") -> tuple[Address, list[Violation]]:
    """Bring an address into its usual spelling: no stray blanks, full-width digits as plain ones, `160-0022`, `Tokyo`.

    The violations have the codes `country_unknown`, `postcode_invalid`, `prefecture_unknown` and `field_empty`.
    `within` is put before the fields' names, e.g. `address.`.
    """
    tidy = replace(address, **{name: _tidy(value) for name, value in asdict(address).items()})
    japanese = tidy.country == "JP"
    postcode = _postcode(tidy.postcode) if japanese else tidy.postcode
    state = _prefecture(tidy.state) if japanese else tidy.state
    wrong = [
        Violation(f"{within}{name}", "field_empty", say("fields.empty"))
        for name in ("address1", "city")
        if not getattr(tidy, name)
    ]
    if tidy.country not in COUNTRIES:
        wrong.append(Violation(f"{within}country", "country_unknown", say("fields.country_unknown")))
    if not postcode:
        sentence = say("fields.japanese_postcode") if japanese else _EMPTY
        wrong.append(Violation(f"{within}postcode", "postcode_invalid", sentence))
    if not state:
        sentence = say("fields.prefecture") if japanese else _EMPTY
        wrong.append(Violation(f"{within}state", "prefecture_unknown" if japanese else "field_empty", sentence))
    return replace(tidy, postcode=postcode or tidy.postcode, state=state or tidy.state), wrong


_EMPTY = say("fields.empty")


def in_one_line(address: Address) -> str:
    """Write an address in one line in its usual spelling, as people read it to a carrier."""
    return cut(_line(address))


def _line(address: Address) -> str:
    usual, _ = normalised(address)
    parts = (usual.postcode, usual.state, usual.city, usual.address1, usual.address2, usual.country)
    return ", ".join(part for part in parts if part)


def cut(line: str) -> str:
    """Cut a line to what Salesforce keeps, which counts UTF-16 units."""
    return line.encode("utf-16-le", "replace")[: 2 * LONGEST_LINE].decode("utf-16-le", "ignore")


def same_address(one: Address, other: Address) -> bool:
    """Return whether two addresses are the same place, however they are spelled and long they are."""
    return same_place(_line(one), _line(other))


def same_place(one: str, other: str) -> bool:
    """Return whether two written addresses are the same but for width, case, blanks and punctuation.

    Numbers next to each other stay apart: `1-23` is not `12-3`. An empty address is no place.
    """
    return bool(_place(one)) and _place(one) == _place(other)


def _place(line: str) -> str:
    romaji = _PREFECTURE.sub(lambda found: PREFECTURES[found.group()], folded(line)).casefold()
    tokens = re.findall(r"[0-9]+|[^\W0-9_]+", romaji)
    return re.sub(r"(?<=[0-9]) (?=[0-9])", "-", " ".join(tokens)).replace(" ", "")


def _tidy(value: str) -> str:
    """Normalise width and blanks. Japanese keyboards type full-width letters and digits."""
    return " ".join(unicodedata.normalize("NFKC", value).split())


def _postcode(text: str) -> str:
    found = _JAPANESE_POSTCODE.fullmatch(folded(text).removeprefix("〒").strip())
    return f"{found.group(1)}-{found.group(2)}" if found else ""


def _prefecture(text: str) -> str:
    """Return the prefecture in the script it was given in; empty if there is none of this name."""
    if text in _KANJI:
        return _KANJI[text]
    plain = "".join(each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each))
    return _ROMAJI.get(plain) or _ROMAJI.get(_SUFFIX.sub("", plain), "")
