"""Sample products, as Salesforce sells and WHMCS bills them. Prices are yen without consumption tax."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

INTERNET, SIM, VPN, HOSTING = "Internet", "SIM", "VPN", "Hosting"
SERVICE, INSTALLATION, ADD_ON, ACTIVATION = "Service", "Installation", "Add-on", "Activation"
MONTHLY, ONETIME = "Monthly", "Onetime"

LINES = (("Home 1G", 181, 4_800), ("Home 10G", 191, 5_800), ("Apartment 1G", 201, 4_300))
TIERS = (("Silver", 0, 0), ("Gold", 1, 800), ("Platinum", 2, 1_800))
DATA_SIZES = (("5GB", 980), ("10GB", 1_480), ("25GB", 2_180), ("50GB", 2_980))
SIM_TYPES = (("DataOnly", "DATA", "Data only", 0), ("DataSmsVoice", "VOICE", "Data + SMS + Voice", 700))
FAMILY_DISCOUNT = 300
VPN_REGIONS = (("USA-SF", "San Francisco", 2_500), ("UK-London", "London", 2_500), ("Global", "all regions", 3_500))
HOSTING_PLANS = (("Basic", 800, "5 GB"), ("Pro", 1_800, "20 GB"), ("Business", 3_800, "100 GB"))
PROVISION_TEMPLATES = {"Pro": "plain", "Business": "wordpress"}


@dataclass(frozen=True)
class Product:
    """One product; `category` is its Product2Categories1__c, `fields` are further Product2 fields."""

    sku: str
    name: str
    category: str
    item_class: str
    billing_cycle: str
    price: int
    whmcs_pid: int
    fields: dict[str, Any] = field(default_factory=dict)
    description: str = ""


def products() -> list[Product]:
    """Return all products, in display order."""
    return [*_internet(), *_sim(), *_vpn(), *_hosting()]


def _internet() -> Iterator[Product]:
    for line, first_pid, base in LINES:
        for tier, step, extra in TIERS:
            yield Product(
                f"INTERNET-{tier}-{line}".upper().replace(" ", "-"),
                f"Internet {tier} {line}",
                INTERNET,
                SERVICE,
                MONTHLY,
                base + extra,
                first_pid + step,
                {
                    "Internet_Plan_Tier__c": tier,
                    "Internet_Offering_Type__c": line,
                    "Internet_Monthly_Price__c": base + extra,
                    "Is_Default__c": tier == "Gold",
                },
                f"{tier} support on a {line} fibre line.\n- Up to {line.split()[-1]}bps\n- IPv6 and IPv4",
            )
    for sku, name, item_class, cycle, price, pid in (
        ("INTERNET-INSTALL-SINGLE", "Internet installation, paid at once", INSTALLATION, ONETIME, 22_800, 242),
        ("INTERNET-INSTALL-12M", "Internet installation, over 12 months", INSTALLATION, MONTHLY, 1_900, 243),
        ("INTERNET-INSTALL-24M", "Internet installation, over 24 months", INSTALLATION, MONTHLY, 950, 244),
        (
            "INTERNET-INSTALL-WEEKEND",
            "Internet installation at a weekend, surcharge",
            INSTALLATION,
            ONETIME,
            3_000,
            245,
        ),
        ("INTERNET-ADDON-HOME-PHONE", "Internet home phone", ADD_ON, MONTHLY, 450, 246),
        ("INTERNET-ADDON-HOME-PHONE-INSTALL", "Internet home phone installation", INSTALLATION, ONETIME, 1_000, 247),
    ):
        needs = {"Required_Products__c": "INTERNET-ADDON-HOME-PHONE"} if pid == 247 else {}
        yield Product(sku, name, INTERNET, item_class, cycle, price, pid, needs | {"Is_Default__c": pid == 242})


def _sim() -> Iterator[Product]:
    pid = 300
    for family in (False, True):
        for plan_type, word, label, extra in SIM_TYPES:
            for size, base in DATA_SIZES:
                pid += 1
                yield Product(
                    f"SIM-{word}-{size}" + ("-FAMILY" if family else ""),
                    f"SIM {label} {size}" + (" (family discount)" if family else ""),
                    SIM,
                    SERVICE,
                    MONTHLY,
                    base + extra - (FAMILY_DISCOUNT if family else 0),
                    pid,
                    {
                        "SIM_Data_Size__c": size,
                        "SIM_Plan_Type__c": plan_type,
                        "SIM_Plan_Code__c": f"PASI_{word}_{size}",
                        "SIM_Has_Family_Discount__c": family,
                    },
                    f"{label}, {size} a month.\n- {size} at full speed\n- eSIM or card",
                )
    for sku, name, item_class, cycle, price, number in (
        ("SIM-ADDON-VOICE-MAIL", "SIM voice mail", ADD_ON, MONTHLY, 300, 331),
        ("SIM-ADDON-CALL-WAITING", "SIM call waiting", ADD_ON, MONTHLY, 200, 332),
        ("SIM-ACTIVATION-FEE", "SIM activation fee", ACTIVATION, ONETIME, 1_500, 333),
    ):
        yield Product(sku, name, SIM, item_class, cycle, price, number, {"Auto_Add__c": item_class == ACTIVATION})


def _vpn() -> Iterator[Product]:
    for step, (region, place, price) in enumerate(VPN_REGIONS):
        about, sku = {"VPN_Region__c": region}, f"VPN-{region}".upper()
        yield Product(
            sku, f"VPN {region}", VPN, SERVICE, MONTHLY, price, 401 + step, about, f"A private address in {place}."
        )
    fee = {"Auto_Add__c": True}
    yield Product("VPN-ACTIVATION-FEE", "VPN activation fee", VPN, ACTIVATION, ONETIME, 3_000, 411, fee)


def _hosting() -> Iterator[Product]:
    for step, (plan, price, space) in enumerate(HOSTING_PLANS):
        about: dict[str, Any] = {"Is_Default__c": plan == "Basic", "Portal_Instant__c": plan == "Business"}
        about["Provision_Template__c"] = PROVISION_TEMPLATES.get(plan)
        sku = f"HOSTING-{plan}".upper()
        text = f"Web hosting with {space} of space.\n- {space} for pages and mail\n- Free TLS certificates"
        yield Product(sku, f"Hosting {plan}", HOSTING, SERVICE, MONTHLY, price, 501 + step, about, text)
