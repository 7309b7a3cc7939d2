"""The cluster's certificates and kubeconfigs: one authority, one certificate for each part of the cluster."""

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Identity:
    """Who a certificate is for, as Kubernetes reads it: the user and the groups, or the names of a server."""

    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def subject(self) -> x509.Name:
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in self.groups]
        return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, self.user)])


@dataclass(frozen=True)
class Authority:
    """The certificate authority in a folder; it lives as long as the cluster."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        return self.folder / "ca.key"

    def create(self) -> None:
        """Writes the authority and the key that signs service account tokens, unless they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = Identity("mergesearch-test-cluster").subject()
            usage = _usage(signs_certificates=True)
            builder = _builder(name, name, key.public_key(), key.public_key())
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
            _write_key(self.key, key)
            _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        if not (self.folder / "service-account.key").exists():
            _write_key(self.folder / "service-account.key", ec.generate_private_key(ec.SECP256R1()))

    def issue(self, name: str, identity: Identity) -> tuple[Path, Path]:
        """The certificate and the key of a part of the cluster, written once."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate.exists() and key.exists():
            return certificate, key
        own = ec.generate_private_key(ec.SECP256R1())
        authority = serialization.load_pem_private_key(self.key.read_bytes(), None)
        assert isinstance(authority, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes()).subject
        builder = _builder(identity.subject(), issuer, own.public_key(), authority.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] + [ExtendedKeyUsageOID.SERVER_AUTH] * bool(identity.names)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if identity.names:
            names = x509.SubjectAlternativeName([_general_name(text) for text in identity.names])
            builder = builder.add_extension(names, critical=False)
        _write_key(key, own)
        _write(certificate, builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def kubeconfig(self, path: Path, server: str, *, certificate: Path, key: Path) -> Path:
        """Writes a kubeconfig that stands alone, for the holder of a certificate."""
        user = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
        return self._kubeconfig(path, server, user)

    def token_kubeconfig(self, path: Path, server: str, token: str) -> Path:
        """The same for the holder of a token."""
        return self._kubeconfig(path, server, {"token": token})

    def _kubeconfig(self, path: Path, server: str, user: dict[str, str]) -> Path:
        name = "mergesearch-test"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(self.certificate)}}
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        # JSON is YAML.
        _write(path, json.dumps(document, indent=1).encode())
        return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # The API server finds the public half of a service account key in this format, not in PKCS8.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    _write(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def _write(path: Path, content: bytes) -> None:
    """Beside its place first: a start that is killed half-way leaves no half a key."""
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(path)
