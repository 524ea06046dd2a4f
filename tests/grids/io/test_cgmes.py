"""A CGMES model by hand, and archives with malicious content. Right values: ohms per unit."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pandapower as pp
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io import cgmes
from tandem_sim.grids.io.read import load_net, load_network
from tests.grids.cgmes import EQ, MODEL, SSH


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def test_a_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(archive(MODEL))
    network = load_network("model.zip", tmp_path)
    assert sorted(network.p_mw.tolist()) == [-25.0, 0.0]
    assert sorted(network.q_mvar.tolist()) == [-6.0, 0.0]
    assert network.root_vm_pu == pytest.approx(112.2 / 110)
    ohm = 110.0**2 / network.base_mva
    b = network.branches
    assert (b.r_pu[0], b.x_pu[0], b.b_pu[0]) == pytest.approx((1.2 / ohm, 4.0 / ohm, 3e-5 * ohm))
    net = load_net("model.zip", tmp_path)
    pp.runpp(net)
    assert net.converged
    pp.to_json(net, str(tmp_path / "model.json"))
    assert load_network("model.json", tmp_path).p_mw.tolist() == network.p_mw.tolist()


def with_entity(declaration: str) -> dict[str, bytes]:
    """The model with a declaration, used where the name of the load stands."""
    text = EQ.replace(b"?>\n<rdf", b"?>\n" + declaration.encode() + b"\n<rdf", 1)
    return {**MODEL, "EQ.xml": text.replace(b">load<", b">&x;<")}


@pytest.mark.parametrize(
    ("files", "field", "problem"),
    [
        (with_entity('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "EQ.xml line 2", "<!DOCTYPE"),
        (with_entity('<! DOCTYPE r [<!ENTITY x "xx">]>'), "EQ.xml line 2", "<!DOCTYPE"),
        ({**MODEL, "EQ.xml": EQ.replace(b"UTF-8", b"UTF-7")}, "EQ.xml", "the encoding 'utf-7'"),
        ({**MODEL, "EQ.xml": EQ.decode().encode("utf-16")}, "EQ.xml", "is no text"),
        ({"EQ.xml": EQ, "SSH.xml": SSH}, "CGMES", "no profile Topology"),
        ({**MODEL, "EQ.xml": EQ.replace(b"</rdf:RDF>", b"")}, "CGMES", "cannot convert it"),
        ({**MODEL, "inner.zip": archive(MODEL)}, "inner.zip", "is no XML file"),
        ({**MODEL, "../../evil.sh": b"echo"}, "../../evil.sh", "is no XML file"),
        ({f"{k}.xml": b"<a/>" for k in range(201)}, "zip", "holds 201 files"),
        ({}, "zip", "is empty"),
    ],
)
def test_what_is_no_model_is_refused(
    files: dict[str, bytes], field: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.zip").write_bytes(archive(files))
    with pytest.raises(InputError) as error:
        load_net("bad.zip", tmp_path)
    assert error.value.field == field
    assert problem in error.value.problem
    assert "\n" not in str(error.value)


def test_a_name_that_climbs_out_of_the_archive_writes_nothing(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "model.zip").write_bytes(archive({f"../../{name}": data for name, data in MODEL.items()}))
    assert len(load_net("model.zip", inner).bus) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_archive_whose_directory_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("model_EQ.xml", "<a/>")
    data = bytearray(buffer.getvalue())
    at = data.rindex(b"PK\x05\x06") + 16  # offset of the directory, in the record at the end
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + 32).to_bytes(4, "little")
    path = tmp_path / "moved.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="zip: cannot be unpacked"):
        cgmes.read_cgmes(path.read_bytes(), path)


def test_an_archive_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgmes, "MAX_BYTES", 10_000_000)
    (tmp_path / "bomb.zip").write_bytes(archive({"EQ.xml": b" " * 20_000_000}))
    assert (tmp_path / "bomb.zip").stat().st_size < 50_000
    with pytest.raises(InputError, match="holds more than 10 MB"):
        load_net("bomb.zip", tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK\3\4 no archive", b"\xe9\xff\0"])
@pytest.mark.parametrize("name", ["bad.zip", "bad.xml"])
def test_what_is_neither_archive_nor_xml_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as error:
        load_net(name, tmp_path)
    assert "\n" not in str(error.value)


def test_without_lxml_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pandapower.converter.cim")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lxml", None)
    more = {**MODEL, "EQ.xml": EQ.replace(b"<cim:EnergyConsumer ", b"<cim:EnergyConsumer  ")}  # not yet known
    (tmp_path / "model.zip").write_bytes(archive(more))
    with pytest.raises(InputError, match="pip install lxml"):
        load_net("model.zip", tmp_path)
