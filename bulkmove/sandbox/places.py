"""The target's reference rows: shops, regions, localities, sectors and promo codes, the same for every seed."""

from __future__ import annotations

from dataclasses import dataclass

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.words import COUNTIES, VILLAGE_ENDS, VILLAGE_STARTS

FIRST_REGION = 101
FIRST_LOCALITY = 63933
FIRST_SECTOR = 11
_BUCHAREST = next(index for index, county in enumerate(COUNTIES) if county[1] == "B")


@dataclass(frozen=True, slots=True)
class Places:
    """Rows as the reference lists answer them, and sets of their ids for strict checks."""

    shops: tuple[Json, ...]
    regions: tuple[Json, ...]
    localities: tuple[Json, ...]
    sectors: tuple[Json, ...]
    promo_codes: tuple[Json, ...]


def county_towns(county: int) -> list[str]:
    """A county's settlements: its own name first, then villages; Bucharest has none but itself."""
    if county == _BUCHAREST:
        return ["București"]
    villages = [
        f"{VILLAGE_STARTS[(county + i) % len(VILLAGE_STARTS)]} {VILLAGE_ENDS[(county * 3 + i) % len(VILLAGE_ENDS)]}"
        for i in range(8)
    ]
    return [COUNTIES[county][0], *villages]


def make_places() -> Places:
    localities: list[Json] = []
    for county in range(len(COUNTIES)):
        for name in county_towns(county):
            localities.append(
                {"id": FIRST_LOCALITY + len(localities), "name": name, "region_id": FIRST_REGION + county}
            )
    capital = next(row["id"] for row in localities if row["name"] == "București")
    return Places(
        shops=tuple(
            {"id": number, "name": name, "group": group}
            for number, name, group in (
                (1, "Depozit Chișinău", 1),
                (2, "Magazin online", 1),
                (3, "Outlet Bălți", 2),
            )
        ),
        regions=tuple(
            {"id": FIRST_REGION + index, "name": name, "code": plate}
            for index, (name, plate, _) in enumerate(COUNTIES)
        ),
        localities=tuple(localities),
        sectors=tuple(
            {"id": FIRST_SECTOR + index, "name": f"Sectorul {index + 1}", "locality_id": capital}
            for index in range(6)
        ),
        promo_codes=tuple(
            {"id": number, "code": code, "is_active": number != 3}
            for number, code in enumerate(
                ("VARA10", "BLACK FRIDAY 2024", "ÎNAPOI-LA-ȘCOALĂ", "welcome5", "50%OFF", "NOU"), start=1
            )
        ),
    )
