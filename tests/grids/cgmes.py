"""A CGMES model made by hand: a network feeds a line with a load at its end. CIM 16, buses and branches."""

from __future__ import annotations

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cim="http://iec.ch/TC57/2013/CIM-schema-cim16#"
 xmlns:md="http://iec.ch/TC57/61970-552/ModelDescription/1#">
<md:FullModel rdf:about="urn:uuid:{profile}">
<md:Model.profile>http://entsoe.eu/CIM/{profile}/{version}</md:Model.profile>
</md:FullModel>
"""


def element(kind: str, key: str, about: bool = False, **values: object) -> str:
    """An object of a profile: attributes, and references where a value starts with #."""
    at = f'rdf:about="#{key}"' if about else f'rdf:ID="{key}"'
    inner = ""
    for name, value in values.items():
        tag = name.replace("__", ".")
        if isinstance(value, str) and value.startswith(("#", "http")):
            inner += f'<cim:{tag} rdf:resource="{value}"/>\n'
        else:
            inner += f"<cim:{tag}>{value}</cim:{tag}>\n"
    return f"<cim:{kind} {at}>\n{inner}</cim:{kind}>\n"


def profile(name: str, version: str, *elements: str) -> bytes:
    """A profile as a file."""
    return (HEAD.format(profile=name, version=version) + "".join(elements) + "</rdf:RDF>\n").encode()


def terminal(key: str, of: str, number: int) -> str:
    return element(
        "Terminal",
        key,
        IdentifiedObject__name=key,
        Terminal__ConductingEquipment=f"#{of}",
        ACDCTerminal__sequenceNumber=number,
    )


MODE = "http://iec.ch/TC57/2013/CIM-schema-cim16#RegulatingControlModeKind.voltage"
TERMINALS = {
    "_t1": ("_net", 1, "_a"),
    "_t2": ("_line", 1, "_a"),
    "_t3": ("_line", 2, "_b"),
    "_t4": ("_load", 1, "_b"),
}

EQ = profile(
    "EquipmentCore",
    "3/1",
    element("BaseVoltage", "_kv", IdentifiedObject__name="110", BaseVoltage__nominalVoltage=110),
    element("GeographicalRegion", "_land", IdentifiedObject__name="land"),
    element(
        "SubGeographicalRegion", "_part", IdentifiedObject__name="p", SubGeographicalRegion__Region="#_land"
    ),
    element("Substation", "_station", IdentifiedObject__name="station", Substation__Region="#_part"),
    element(
        "VoltageLevel",
        "_level",
        IdentifiedObject__name="level",
        VoltageLevel__BaseVoltage="#_kv",
        VoltageLevel__Substation="#_station",
    ),
    element(
        "ACLineSegment",
        "_line",
        IdentifiedObject__name="line",
        ConductingEquipment__BaseVoltage="#_kv",
        Conductor__length=10,
        ACLineSegment__r=1.2,
        ACLineSegment__x=4.0,
        ACLineSegment__bch=3e-5,
        ACLineSegment__gch=0,
    ),
    element(
        "EnergyConsumer", "_load", IdentifiedObject__name="load", Equipment__EquipmentContainer="#_level"
    ),
    element(
        "ExternalNetworkInjection",
        "_net",
        IdentifiedObject__name="net",
        RegulatingCondEq__RegulatingControl="#_control",
        Equipment__EquipmentContainer="#_level",
    ),
    element(
        "RegulatingControl",
        "_control",
        IdentifiedObject__name="control",
        RegulatingControl__Terminal="#_t1",
        RegulatingControl__mode=MODE,
    ),
    *(terminal(key, of, number) for key, (of, number, _) in TERMINALS.items()),
)
SSH = profile(
    "SteadyStateHypothesis",
    "1/1",
    element("EnergyConsumer", "_load", True, EnergyConsumer__p=25.0, EnergyConsumer__q=6.0),
    element(
        "ExternalNetworkInjection",
        "_net",
        True,
        ExternalNetworkInjection__p=-25.0,
        ExternalNetworkInjection__q=-6.0,
        ExternalNetworkInjection__referencePriority=1,
        RegulatingCondEq__controlEnabled="true",
    ),
    element(
        "RegulatingControl",
        "_control",
        True,
        RegulatingControl__enabled="true",
        RegulatingControl__targetValue=112.2,
        RegulatingControl__discrete="false",
    ),
    *(element("Terminal", key, True, ACDCTerminal__connected="true") for key in TERMINALS),
)
TP = profile(
    "Topology",
    "4/1",
    *(
        element(
            "TopologicalNode",
            key,
            IdentifiedObject__name=key,
            TopologicalNode__BaseVoltage="#_kv",
            TopologicalNode__ConnectivityNodeContainer="#_level",
        )
        for key in ("_a", "_b")
    ),
    *(
        element("Terminal", key, True, Terminal__TopologicalNode=f"#{node}")
        for key, (_, _, node) in TERMINALS.items()
    ),
)
MODEL = {"EQ.xml": EQ, "SSH.xml": SSH, "TP.xml": TP}
