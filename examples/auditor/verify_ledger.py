#!/usr/bin/env python3
"""Verifies a safeconduct ledger with nothing but hashlib and the openssl command.

    verify_ledger.py LEDGER ROOT.pub... [--checkpoint FILE]

ROOT.pub are the root keys to trust, as `safeconduct keygen` writes them. FILE is
a checkpoint of this ledger that was kept elsewhere. The exit status is 0 if the
ledger is intact, 1 if it is not, 2 if it cannot be read. It follows
evidence/FORMAT.md and shares no code with safeconduct. It takes about 10 ms a
signature, for each is an openssl process of its own.
"""
import base64, hashlib, json, os, re, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "urn:safeconduct:record:v1"
SIGNATURE = r'\{"keyid":"[0-9a-f]*","sig":"[A-Za-z0-9+/]*={0,2}"\}'
ENVELOPE = re.compile(
    r'\{"payload":"([A-Za-z0-9+/]*={0,2})","payloadType":"%s","signatures":\[((?:%s(?:,%s)*)?)\]\}'
    % (re.escape(PAYLOAD_TYPE), SIGNATURE, SIGNATURE))
TEMP = Path(tempfile.mkdtemp(prefix="ledger-"))


class Bad(Exception):
    """The ledger is not intact."""


def sha256(data): return hashlib.sha256(data).digest()


def b64(text):
    """Decodes base64 that has no other spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text: raise Bad("base64 with another spelling")
    return data


def pem(der):
    return "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % base64.b64encode(der).decode()


def verify(der, message, signature):
    """Reports whether the key signed the message (Ed25519, RFC 8032)."""
    name = TEMP / sha256(der + message + signature).hex()
    files = [name.with_suffix(s) for s in (".pub", ".msg", ".sig")]
    try:
        files[0].write_text(pem(der)); files[1].write_bytes(message); files[2].write_bytes(signature)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", files[0],
                               "-in", files[1], "-sigfile", files[2]], capture_output=True).returncode == 0
    finally:
        for f in files: f.unlink(missing_ok=True)


def pae(payload): return b"DSSEv1 %d %s %d " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload)) + payload


def frames(ledger):
    """Yields each envelope. The checksum (CRC-32C) finds accidents only, and is left to openssl's signatures."""
    segments = sorted((ledger / "segments").glob("*.seg"))
    if [int(s.stem) for s in segments] != list(range(1, len(segments) + 1)): raise Bad("a segment is missing")
    for path in segments:
        data = path.read_bytes()
        if not data.startswith(b"safeconduct segment v1\n"): raise Bad("%s is not a segment" % path)
        at = 23
        while at < len(data):
            size = int.from_bytes(data[at:at + 4], "big")
            if not 0 < size <= 65535 or at + 8 + size > len(data): raise Bad("%s, offset %d: no whole frame" % (path, at))
            yield data[at + 8:at + 8 + size]
            at += 8 + size


def canonical(payload):
    """Parses a payload, which must be its own canonical form (RFC 8785; its members have ASCII names)."""
    def members(pairs):
        if len({k for k, _ in pairs}) < len(pairs): raise Bad("a member stands there twice")
        return dict(pairs)
    value = json.loads(payload.decode("utf-8"), object_pairs_hook=members)
    if json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != payload:
        raise Bad("the payload is not in canonical form")
    return value


class Tree:
    """The Merkle tree of RFC 6962, as the roots of its complete subtrees."""
    def __init__(self): self.size, self.edge = 0, []

    def append(self, leaf):
        node, n = sha256(b"\0" + leaf), self.size
        while n & 1: node, n = sha256(b"\1" + self.edge.pop() + node), n >> 1
        self.edge.append(node); self.size += 1

    def root(self):
        if not self.edge: return sha256(b"")
        node = self.edge[-1]
        for left in self.edge[-2::-1]: node = sha256(b"\1" + left + node)
        return node


def checkpoint(text):
    """Parses a C2SP tlog-checkpoint."""
    body, _, rest = text.partition("\n\n")
    origin, size, root = body.split("\n")
    lines = [l.split(" ") for l in rest.rstrip("\n").split("\n")]
    return body.encode() + b"\n", origin, int(size), b64(root), [(l[1], b64(l[2])) for l in lines if l[0] == "\u2014"]


def main(ledger, roots, outside):
    roots = [base64.b64decode("".join(l for l in Path(r).read_text().split("\n") if "-----" not in l)) for r in roots]
    by_id = {sha256(der).hex(): der for der in roots}
    wanted = [("the ledger's own checkpoint", (ledger / "checkpoint").read_text())] if (ledger / "checkpoint").exists() else []
    wanted += [("the checkpoint %s" % outside, Path(outside).read_text())] if outside else []
    wanted = [(what,) + checkpoint(text) for what, text in wanted]
    sizes = {w[3] for w in wanted}

    tree, tree_at = Tree(), {}
    origin = root = session = None                   # root: the key ID in force; session: the newest key.session
    writer, seq, prev, head = None, 0, "", None      # of the writer's last record
    sessions, seen, signatures, covered = [], set(), [], 0
    for n, env in enumerate(frames(ledger), 1):
        try:
            m = ENVELOPE.fullmatch(env.decode())
            if not m: raise Bad("the envelope is not in its one form")
            payload = b64(m[1])
            sigs = [(s["keyid"], b64(s["sig"])) for s in json.loads("[%s]" % m[2])]
            statement = canonical(payload)
            record, digest = statement["predicate"], sha256(payload).hex()
            if statement["predicateType"] != PREDICATE_TYPE: raise Bad("another type of record")
            origin = origin or record["ledger"]
            if record["ledger"] != origin: raise Bad("a record of the ledger %r" % record["ledger"])

            # Who signed it. Keys come from the command line, and from statements that those signed.
            kind, need = record["kind"], []
            if kind == "key.rotate":
                need = [root, record["rotate"]["key"]]
            elif kind == "key.session":
                need = [root or (sigs[0][0] if sigs else "")]
            elif session is None:
                raise Bad("a record before the first session")
            elif session["signing"] == "records":
                need = [session["key"]]
            for key in need:
                der = by_id.get(key) if kind.startswith("key.") else b64(session["public"])
                sig = dict(sigs).get(key)
                if der is None: raise Bad("signed by key %s, which was not given" % key)
                if sig is None: raise Bad("key %s did not sign it" % key)
                signatures.append((n, der, pae(payload), sig))
            if kind == "key.session":
                session, root = record["session"], need[0]
                sessions.append(b64(session["public"]))
                if sha256(sessions[-1]).hex() != session["key"]: raise Bad("the session's key ID is not of its key")
            elif kind == "key.rotate":
                root = record["rotate"]["key"]
                if b64(record["rotate"]["public"]) != by_id[root]: raise Bad("the next root key is not the one of its ID")
            if not session["notBefore"] <= record["time"][:19] + "Z" <= session["notAfter"]:
                raise Bad("dated outside of its session")

            # Its place in the chain.
            if record["writer"] != writer:
                if record["writer"] in seen or record["seq"] != 1 or kind != "key.session": raise Bad("a writer out of place")
                if record["session"].get("previous") != head: raise Bad("the writer does not follow the one before it")
                if tree.size and record["session"]["tree"] != {"records": tree.size, "root": tree.root().hex()}:
                    raise Bad("the tree is not the one that the session signs")
                writer, prev = record["writer"], "0" * 64
                seen.add(writer)
            elif kind == "gap":
                gap = record["gap"]
                if (gap["from"], gap["to"]) != (seq + 1, record["seq"] - 1): raise Bad("the gap is not what is missing")
            elif record["seq"] != seq + 1:
                raise Bad("seq %d follows %d" % (record["seq"], seq))
            if record["prev"] != prev: raise Bad("it does not follow from the record before it")
            seq, prev = record["seq"], digest
            head = {"hash": digest, "seq": seq, "writer": writer}
        except (Bad, ValueError, KeyError, TypeError) as e:
            raise Bad("record %d: %s" % (n, e))
        tree.append(env)
        if kind in ("key.session", "key.rotate") or sigs: covered = n
        if tree.size in sizes: tree_at[tree.size] = tree.root()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (n, *_), good in zip(signatures, pool.map(lambda s: verify(*s[1:]), signatures)):
            if not good: raise Bad("record %d: the signature is not of this payload" % n)
    for what, body, name, size, root_hash, lines in wanted:
        if name != origin: raise Bad("%s is of the ledger %s" % (what, name))
        def signed(der):  # the note's key ID is a hint: 4 bytes before the signature
            hint = sha256(name.encode() + b"\n\x01" + der[-32:])[:4]
            return any(n == name and s[:4] == hint and verify(der, body, s[4:]) for n, s in lines)
        if size > tree.size: raise Bad("%s covers %d records, and %d are there" % (what, size, tree.size))
        if not any(signed(der) for der in sessions): raise Bad("no session of the ledger signed %s" % what)
        if tree_at.get(size, tree.root()) != root_hash: raise Bad("%s has another root: the ledger was rewritten" % what)
        covered = max(covered, size)
    if covered < tree.size: raise Bad("no signature covers the last %d records" % (tree.size - covered))
    print("%s is intact: %d records, %d signatures, root %s" % (origin, tree.size, len(signatures), tree.root().hex()))


if __name__ == "__main__":
    args, outside = sys.argv[1:], None
    if "--checkpoint" in args:
        i = args.index("--checkpoint"); outside = args[i + 1]; del args[i:i + 2]
    if len(args) < 2: sys.exit(__doc__)
    try:
        main(Path(args[0]), args[1:], outside)
    except Bad as e:
        print("NOT intact: %s" % e); sys.exit(1)
    except OSError as e:
        print("cannot be read: %s" % e, file=sys.stderr); sys.exit(2)
    finally:
        TEMP.rmdir()
