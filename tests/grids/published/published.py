"""Small files of our own, shaped as publishers write them; the numbers are made up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NAMESPACES = {
    "Publication_MarketDocument": "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3",
    "GL_MarketDocument": "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0",
    "Balancing_MarketDocument": "urn:iec62325.351:tc57wg16:451-6:balancingdocument:4:4",
}


def point(position: int, tag: str, value: object, more: str = "") -> str:
    return f"<Point>\n<position>{position}</position>\n<{tag}>{value}</{tag}>{more}</Point>"


def period(start: str, end: str, resolution: str, points: Iterable[str]) -> str:
    return (
        f"<Period>\n<timeInterval>\n<start>{start}</start>\n<end>{end}</end>\n</timeInterval>\n"
        f"<resolution>{resolution}</resolution>\n" + "\n".join(points) + "\n</Period>"
    )


def series(head: Mapping[str, str], periods: Iterable[str], curve: str = "A01") -> str:
    inside = "".join(f"<{tag}>{text}</{tag}>\n" for tag, text in head.items())
    return (
        "<TimeSeries>\n<mRID>1</mRID>\n"
        + inside
        + f"<curveType>{curve}</curveType>\n"
        + "\n".join(periods)
        + "\n</TimeSeries>"
    )


def document(root: str, kind: str, every: Iterable[str], process: str = "A16") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<{root} xmlns="{NAMESPACES[root]}">\n<mRID>0a</mRID>\n'
        f"<type>{kind}</type>\n<process.processType>{process}</process.processType>\n"
        + "\n".join(every)
        + f"\n</{root}>\n"
    )


PRICED = {"currency_Unit.name": "EUR", "price_Measure_Unit.name": "MWH"}
IN_MW = {"quantity_Measure_Unit.name": "MAW"}


def prices(values: Mapping[int, object], curve: str = "A01", end: str = "2024-01-01T23:00Z") -> str:
    """Day-ahead prices of 1 January 2024 in Brussels, by the hour of the day, from 1."""
    points = [point(k, "price.amount", value) for k, value in values.items()]
    one = series(PRICED, [period("2023-12-31T23:00Z", end, "PT60M", points)], curve)
    return document("Publication_MarketDocument", "A44", [one])


ELIA = (
    "Datetime;Resolution code;Quality status;ACE;System imbalance;Alpha;Alpha';Marginal incremental price;"
    "Marginal decremental price;Imbalance Price\n"
    "2024-10-27T02:15:00+01:00;PT15M;Validated;;-12.5;0.0;;101.0;55.0;101.0\n"
    "2024-10-27T02:00:00+01:00;PT15M;Validated;;30.0;0.0;;90.0;44.0;44.0\n"
    "2024-10-27T02:45:00+02:00;PT15M;Validated;;31.0;0.0;;90.0;-43.5;-43.5\n"
    "2024-10-27T02:30:00+02:00;PT15M;Validated;;-11.0;0.5;;99.0;55.0;99.5\n"
)

TENNET = (
    "Timeinterval Start Loc,Timeinterval End Loc,Isp,Currency Unit Name,Price Measurement Unit Name,"
    "Incident Reserve Up,Incident Reserve Down,Price Dispatch Up,Price Dispatch Down,Price Shortage,"
    "Price Surplus,Regulation State,Regulating Condition\n"
    "2025-07-01T00:00:00,2025-07-01T00:15:00,1,EUR,MWH,0,0,180.00,,180.00,40.00,2,Both\n"
    "2025-07-01T00:15:00,2025-07-01T00:30:00,2,EUR,MWH,0,0,,,62.10,62.10,0,None\n"
    "2025-07-01T00:30:00,2025-07-01T00:45:00,3,EUR,MWH,0,0,,-5.50,-5.50,-5.50,-1,Down\n"
)

TENNET_EXPORT = (
    '"Date","PTE","period_from","period_until","upward_incident_reserve","downward_incident_reserve",'
    '"To regulate up","To regulate down","Incentive component","Consume","Feed","Regulation state"\n'
    '"01/17/2021","1","00:00","00:15","","","","-60.77","0","-60.77","-60.77","-1"\n'
    '"01/17/2021","2","00:15","00:30","","","","","0","44.78","44.78","0"\n'
    '"01/17/2021","3","00:30","00:45","","","48.78","38.52","0","48.78","38.52","2"\n'
)

SMARD = (
    "Datum von;Datum bis;Wind Onshore [MWh] Originalauflösungen;Photovoltaik [MWh] Originalauflösungen;"
    "Kernenergie [MWh] Originalauflösungen\n"
    "05.10.2024 00:00;05.10.2024 00:15;1.401,50;0,00;-\n"
    "05.10.2024 00:15;05.10.2024 00:30;1.374,75;0,00;-\n"
    "05.10.2024 00:30;05.10.2024 00:45;928,75;2,25;-\n"
)

ENTSOE_PRICES = (
    '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Period (CET/CEST)",'
    '"Intraday Price (EUR/MWh)"\n'
    '"01/01/2025 00:00:00 - 01/01/2025 00:15:00","BZN|FR","Without Sequence","18.92","",""\n'
    '"01/01/2025 00:15:00 - 01/01/2025 00:30:00","BZN|FR","Without Sequence","-3.5","",""\n'
    '"01/01/2025 00:30:00 - 01/01/2025 00:45:00","BZN|FR","Without Sequence","0","",""\n'
)

ENTSOE_GENERATION = (
    '"Area","MTU (CET)","Biomass  - Actual Aggregated [MW]",'
    '"Hydro Pumped Storage  - Actual Aggregated [MW]","Hydro Pumped Storage  - Actual Consumption [MW]",'
    '"Nuclear  - Actual Aggregated [MW]","Solar  - Actual Aggregated [MW]"\n'
    '"CTY|BE","01.01.2019 00:00 - 01.01.2019 01:00","310","12","400","n/e","0"\n'
    '"CTY|BE","01.01.2019 01:00 - 01.01.2019 02:00","308","0","380","n/e","0"\n'
)
