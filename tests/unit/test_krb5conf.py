"""krb5.conf as MIT's library reads it, as far as realms go."""

import pytest

from refclock.errors import ConfigError
from refclock.kerberos.krb5conf import DEFAULT_FILE, Krb5Conf


def read(tmp_path, text, **more):
    path = tmp_path / "krb5.conf"
    path.write_text(text)
    for name, content in more.items():
        (tmp_path / name).write_text(content)
    return Krb5Conf({"KRB5_CONFIG": str(path)})


COMPLETE = """
# a comment
[logging]
 default = FILE:/x
[libdefaults]
	default_realm = EXAMPLE.TEST
 default_realm = LATER.TEST
 forwardable = true
[realms]
 EXAMPLE.TEST = {
   kdc = kdc1.example.test
   ; another
   kdc = "kdc2.example.test:8888"
   admin_server = kdc1.example.test
   auth_to_local_names = {
     kdc = nobody
   }
   primary_kdc = kdc1.example.test
 }
 OTHER.TEST = {
   kdc* = tcp/kdc.other.test
 }
 kdc = stray
[domain_realm]
 .example.test = EXAMPLE.TEST
}
}
"""


def test_the_default_realm_and_the_kdcs(tmp_path):
    conf = read(tmp_path, COMPLETE)
    assert conf.default_realm == "EXAMPLE.TEST"
    assert conf.kdcs("EXAMPLE.TEST") == ["kdc1.example.test", "kdc2.example.test:8888", "kdc1.example.test"]
    assert conf.kdcs("OTHER.TEST") == ["tcp/kdc.other.test"]
    assert conf.kdcs("NONE.TEST") == []


def test_includes(tmp_path):
    (tmp_path / "d").mkdir()
    for name, realm in (("a", "A"), (".b.conf", "B"), ("c.conf", "C"), ("d.rpmsave", "D"), ("e-1_x", "E")):
        (tmp_path / "d" / name).write_text(f"[realms]\n R = {{\n kdc = {realm}\n }}\n")
    conf = read(
        tmp_path,
        f"includedir {tmp_path}/d\ninclude {tmp_path}/one\ninclude {tmp_path}/none\nincludedir {tmp_path}/x\n"
        "[libdefaults]\n default_realm = MINE\n",
        one="[libdefaults]\ndefault_realm = FIRST\n",
    )
    assert conf.kdcs("R") == ["A", "C", "E"]
    assert conf.default_realm == "FIRST"


def test_a_file_that_includes_itself_ends(tmp_path):
    conf = read(tmp_path, f"include {tmp_path}/krb5.conf\n[libdefaults]\ndefault_realm = A\n")
    assert conf.default_realm == "A"


def test_several_files_and_none(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"[realms]\nR = {{\nkdc = {name}\n}}\n")
    conf = Krb5Conf({"KRB5_CONFIG": f"{tmp_path}/one:{tmp_path}/none:{tmp_path}/two"})
    assert conf.kdcs("R") == ["one", "two"]
    assert conf.default_realm is None
    assert Krb5Conf({}).files == [DEFAULT_FILE]


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory; see KRB5_CONFIG\."):
        Krb5Conf({"KRB5_CONFIG": str(tmp_path)})
