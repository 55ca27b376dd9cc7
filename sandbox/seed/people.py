"""Sample customers: the same count gives the same people, and everybody's password is the same."""

from dataclasses import dataclass

PASSWORD = "correct-horse-portal-7"
WHMCS_FROM = 1_000
"""The WHMCS client id of person n is this plus n."""
CERTAIN_WHMCS = 40

FAMILY = (
    "Sato", "Suzuki", "Takahashi", "Tanaka", "Ito", "Watanabe", "Yamamoto", "Nakamura", "Kobayashi", "Kato",
    "Yoshida", "Yamada", "Sasaki", "O'Brien", "Matsumoto", "Inoue", "Kimura", "Hayashi", "佐藤", "Shimizu",
)  # fmt: skip
GIVEN = (
    "Hanako", "Haruto", "Yui", "Ren", "Aoi", "Sota", "Mei", "Yuto", "Sakura", "Riku", "Akari", "Minato", "Himari",
)  # fmt: skip
PLACES = (
    ("Shibuya-ku", "Tokyo", "150-0002", "1-2-3 Shibuya"),
    ("Minato-ku", "Tokyo", "106-0032", "6-10-1 Roppongi"),
    ("Kita-ku", "Osaka", "530-0001", "3-1-3 Umeda"),
    ("Naka-ku", "Aichi", "460-0008", "4-5-6 Sakae"),
    ("Hakata-ku", "Fukuoka", "812-0011", "2-1-1 Hakata-ekimae"),
    ("Chuo-ku", "Hokkaido", "060-0042", "Odori-nishi 5"),
    ("Nishi-ku", "Kanagawa", "220-0012", "2-3-4 Minatomirai"),
)


@dataclass(frozen=True)
class Person:
    """A sample customer; `customer_number` is what their letters say, `password` what they use in WHMCS."""

    number: int
    customer_number: str
    first_name: str
    last_name: str
    email: str
    phone: str
    password: str
    address1: str
    city: str
    state: str
    postcode: str
    country: str
    has_whmcs: bool
    has_card: bool

    @property
    def whmcs_client_id(self) -> int | None:
        """The client they are in WHMCS, if any."""
        return WHMCS_FROM + self.number if self.has_whmcs else None


def people(count: int = 300) -> list[Person]:
    """`count` customers; the first ones are WHMCS clients, the last fifth is not and can sign up."""
    return [_person(number, count) for number in range(1, count + 1)]


def _person(number: int, count: int) -> Person:
    city, state, postcode, street = PLACES[number % len(PLACES)]
    can_sign_up = number > count - max(1, count // 5)
    has_whmcs = not can_sign_up and (number <= CERTAIN_WHMCS or number % 5 != 0)
    return Person(
        number=number,
        customer_number=f"C-{number:06d}",
        first_name=GIVEN[number % len(GIVEN)],
        last_name=FAMILY[number % len(FAMILY)],
        email=f"customer{number:03d}@example.com",
        phone=f"03-{1000 + number % 9000:04d}-{number * 37 % 10_000:04d}",
        password=PASSWORD,
        address1=f"{street}-{number}",
        city=city,
        state=state,
        postcode=postcode,
        country="JP",
        has_whmcs=has_whmcs,
        has_card=has_whmcs and number % 4 != 0,
    )
