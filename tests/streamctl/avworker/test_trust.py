from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.avworker.trust import joined, sources, tls_options
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    import pytest


def test_a_file_and_the_hashed_names_of_a_folder_are_joined(tmp_path: Path) -> None:
    pairs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pairs.append(self_signed(tmp_path / name))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "0123abcd.0").symlink_to(pairs[1].cert)
    (folder / "4567cdef.0").symlink_to(tmp_path / "nowhere")
    (folder / "notes.txt").write_text("no certificate")
    held = Path(joined(str(pairs[0].cert), str(folder))).read_text()
    assert held.count("BEGIN CERTIFICATE") == 2
    assert all(pair.cert.read_text() in held for pair in pairs)
    assert "no certificate" not in held


def test_the_certificates_of_a_system_can_be_loaded() -> None:
    context = ssl.create_default_context()
    options = tls_options()
    if Path(options["ca_file"]).stat().st_size:
        context.load_verify_locations(options["ca_file"])
    assert options["tls_verify"] == "1"


def test_the_environment_replaces_those_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    assert Path(tls_options()["ca_file"]).read_text().strip() == pair.cert.read_text().strip()


def test_a_system_without_certificates_trusts_nobody() -> None:
    assert sources(None, None) == []
    assert Path(joined(None, None)).read_bytes() == b""
