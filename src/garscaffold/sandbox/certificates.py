"""The sandbox's certificate authority and the one certificate it ever signs."""

import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from garscaffold.sandbox.state import StateDirectory, write_private

HOSTS = (
    "*.pkg.dev",
    "artifactregistry.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iamcredentials.googleapis.com",
    "oauth2.googleapis.com",
    "sts.googleapis.com",
)
"""Names that the stand-in answers for; every other host is tunnelled to where it really is."""

_LIFETIME = datetime.timedelta(days=397)
_RENEW_BEFORE = datetime.timedelta(days=30)


def is_played(host: str) -> bool:
    """Say whether the stand-in answers for `host`, compared without regard to case."""
    host = host.lower().rstrip(".")
    return host in HOSTS or (host.endswith(".pkg.dev") and host.count(".") == 2)


def ensure_certificates(state: StateDirectory) -> None:
    """Write the authority's and the server's certificates, unless good ones are there.

    The authority's key is thrown away once it has signed: what is left on disk cannot sign for any other host, and the
    authority is limited to the names above besides.
    """
    if state.server_certificate.exists() and state.authority.exists() and _is_good(state):
        return
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("garscaffold sandbox certificate authority")
    authority = (
        _builder(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.NameConstraints([x509.DNSName(host.removeprefix("*.")) for host in HOSTS], None), critical=True
        )
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = (
        _builder(_name("garscaffold sandbox"), authority_name, server_key, now)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(state.authority, _pem(authority))
    write_private(state.server_certificate, key.decode() + _pem(server))


def server_context(state: StateDirectory) -> ssl.SSLContext:
    """Return the context with which the stand-in ends TLS; it speaks HTTP/1.1 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.server_certificate)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_good(state: StateDirectory) -> bool:
    server = x509.load_pem_x509_certificate(state.server_certificate.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    enough = server.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > _RENEW_BEFORE
    return enough and set(names.get_values_for_type(x509.DNSName)) == set(HOSTS)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
