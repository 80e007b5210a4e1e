"""Brings a state directory in order before it is served."""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from garscaffold.sandbox import identities
from garscaffold.sandbox.certificates import ensure_certificates
from garscaffold.sandbox.faults import parse_fault
from garscaffold.sandbox.state import StateDirectory, machine_bundle, write_private
from garscaffold.sandbox.store import EVERYWHERE, Store

_REFRESH_TOKEN_SECONDS = 10 * 365 * 86400.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server behaves.

    Args:
        state: Where it keeps its things.
        token_lifetime: Seconds after which access tokens expire.
        idle_timeout: Seconds without a connection after which it stops; None for never.
        with_parent: Stop when standard input ends, which it does when the parent is gone.
        index_url: The public index's simple URL; asked of pip when None.
        faults: Faults that are on from the start, as `parse_fault` reads them.
        default_grants: Give user, reader and writer their roles in every project.
    """

    state: StateDirectory
    token_lifetime: float = 3600
    idle_timeout: float | None = None
    with_parent: bool = False
    index_url: str | None = None
    faults: tuple[str, ...] = ()
    default_grants: bool = True


def prepare(options: ServerOptions) -> Store:
    """Bring a state directory in order: certificates, keys, credential files, first grants; and open its store."""
    state = options.state
    store = Store(state)
    for leftover in state.incoming.iterdir():
        leftover.unlink()
    ensure_certificates(state)
    write_private(state.bundle, machine_bundle().rstrip() + "\n" + state.authority.read_text("utf-8"))
    for public in (state.authority, state.bundle):
        # Containers mount these, and their users are others.
        public.chmod(0o644)
    _ensure_credentials(store)
    if options.default_grants and not store.setting("default-grants"):
        store.grant(EVERYWHERE, "roles/owner", identities.IDENTITIES["user"].member)
        store.grant(EVERYWHERE, "roles/artifactregistry.reader", identities.IDENTITIES["reader"].member)
        store.grant(EVERYWHERE, "roles/artifactregistry.writer", identities.IDENTITIES["writer"].member)
    store.set_setting("default-grants", True)
    for name in store.faults():
        store.clear_fault(name)
    for text in options.faults:
        store.set_fault(parse_fault(text))
    return store


def _ensure_credentials(store: Store) -> None:
    user = identities.IDENTITIES["user"]
    user_file = identities.credential_file(store.state, user)
    if not user_file.exists():
        token = store.mint(user.name, _REFRESH_TOKEN_SECONDS, kind="refresh")
        write_private(user_file, identities.authorized_user(token))
    for identity in identities.SERVICE_ACCOUNTS:
        key_file = identities.credential_file(store.state, identity)
        if key_file.exists():
            continue
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_id = secrets.token_hex(20)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        store.add_public_key(key_id, identity.name, public.decode())
        write_private(key_file, identities.service_account_key(identity, private_key=private.decode(), key_id=key_id))
