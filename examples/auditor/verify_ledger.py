#!/usr/bin/env python3
"""Verifies a safeconduct ledger with nothing but hashlib and the openssl command.

    verify_ledger.py LEDGER ROOT.pub... [--ledger ORIGIN] [--checkpoint FILE]...

ROOT.pub are the root keys to trust, as `safeconduct keygen` writes them. ORIGIN is
the name that the ledger must have. FILE is a checkpoint of this ledger that was
kept elsewhere. The exit status is 0 if the ledger is intact, 1 if it is not, 2 if
it cannot be checked. It follows evidence/FORMAT.md and shares no code with
safeconduct. It takes about 10 ms a signature, for each is an openssl process of
its own.
"""
import argparse, base64, hashlib, json, os, re, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGNATURE = r'\{"keyid":("(?:[^"\\]|\\.)*"),"sig":"([A-Za-z0-9+/]*={0,2})"\}'
ENVELOPE = re.compile(r'\{"payload":"([A-Za-z0-9+/]*={0,2})","payloadType":"%s","signatures":\[((?:%s(?:,%s)*)?)\]\}'
                      % (re.escape(PAYLOAD_TYPE), SIGNATURE, SIGNATURE), re.DOTALL)
MOST_UNSIGNED = 255  # records without a signature that may follow one another
HEADER = b"safeconduct segment v1\n"
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
COMMITMENT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
ORIGIN = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")

# The members of a record by its kind, and of what is in them. A "?" marks those that may be left out.
EVERY = "id kind ledger mono omitted? prev seq time v writer "
RUN = EVERY + "run runSeq "
KINDS = {kind: members.split() for kind, members in {
    "key.session": EVERY + "session", "key.rotate": EVERY + "rotate", "gap": EVERY + "gap",
    "payload.erased": EVERY + "erased", "delivery.failed": EVERY + "refused", "delivery.breaker": EVERY + "breaker",
    "run.start": RUN + "coverage? who?", "run.end": RUN + "runEnd",
    "intent": RUN + "call input balances? effects? plan? policy? request? who?",
    "outcome": RUN + "call outcome balances? decisions? output? plan? ran? response? usage?"}.items()}
CONTENT, TOOL_CALL = "commitment size", "digest? name registered? size"
MEMBERS = {name: members.split() for name, members in {
    "balances": "gate held limit max scope used", "breaker": "changes error? exporter state", "call": "id kind name parent?",
    "coverage": "digest guarded opaque unguarded", "decisions": "code? elapsed gate reason? shadow? verdict", "erased": "authority commitment reason",
    "gap": "count from reason to", "input": CONTENT, "output": CONTENT, "ran": CONTENT,
    "outcome": "code? error? gate? latency reached? reason? released? result told?", "plan": "final? steps? toolCalls?",
    "toolCalls": TOOL_CALL, "policy": "digest? version?", "messages": "role size",
    "request": "candidates? json? maxTokens? messages? model? stops? temperature? tools? topP?",
    "response": "choices? model?", "choices": "reasoning? size stopReason? stopReasonDigest? toolCalls?", "rotate": "key public",
    "refused": "count error? exporter ranges", "ranges": "from to writer",
    "runEnd": "calls head records", "predecessor": "ledger reason tree", "previous": "hash seq writer",
    "session": "key notAfter notBefore predecessor? previous? public recovered? signing tree?",
    "recovered": "aside? bytes? overflow? segment? tiles? unsigned?", "aside": "bytes digest",
    "unsigned": "bytes digest first last records", "tree": "records root",
    "usage": "cacheWrite? cached? cost? input? output? reasoning? reported? total?", "who": "session? subject? tenant?"}.items()}
NONE = ("", False, 0, None)  # what is left out rather than written


class Bad(Exception):
    """The ledger is not intact."""


def check(good, why):
    if not good: raise Bad(why)


def sha256(data): return hashlib.sha256(data).digest()


def b64(text):
    """Decodes base64 that has no other spelling."""
    data = base64.b64decode(text, validate=True)
    check(base64.b64encode(data).decode() == text, "base64 with another spelling")
    return data


# --- signatures

def verify(der, message, signature):
    """Reports whether the key signed the message (Ed25519, RFC 8032)."""
    with tempfile.TemporaryDirectory(prefix="ledger-") as d:
        key, msg, sig = (os.path.join(d, name) for name in ("key", "msg", "sig"))
        pem = "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % base64.b64encode(der).decode()
        for path, data in (key, pem.encode()), (msg, message), (sig, signature): Path(path).write_bytes(data)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-in", msg,
                               "-sigfile", sig], capture_output=True).returncode == 0


def pae(payload): return b"DSSEv1 %d %s %d " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload)) + payload


# --- frames, envelopes, payloads

def crc_table():
    table = []
    for c in range(256):
        for _ in range(8): c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
        table.append(c)
    return table


def crc32c(data, table=crc_table()):
    c = 0xFFFFFFFF
    for b in data: c = table[(c ^ b) & 255] ^ c >> 8
    return c ^ 0xFFFFFFFF


def frames(ledger):
    """Yields each envelope."""
    segments = sorted(os.listdir(ledger / "segments"))
    check(segments == ["%020d.seg" % n for n in range(1, len(segments) + 1)], "a segment is missing, or something else is there")
    for name in segments:
        data, at = (ledger / "segments" / name).read_bytes(), len(HEADER)
        check(data.startswith(HEADER), "%s is not a segment" % name)
        while at < len(data):
            end = at + 8 + int.from_bytes(data[at:at + 4], "big")
            whole = at + 8 < end <= len(data) and end - at - 8 <= 65535
            check(whole and crc32c(data[at:at + 4] + data[at + 8:end]) == int.from_bytes(data[at + 4:at + 8], "big"),
                  "%s, offset %d: no whole frame" % (name, at))
            yield data[at + 8:end]
            at = end


def envelope(env):
    """Returns the payload and the signatures, as pairs of key ID and signature."""
    m = ENVELOPE.fullmatch(env.decode())
    check(m, "the envelope is not in its one form")
    sigs = [(json.loads(key), b64(sig)) for key, sig in re.findall(SIGNATURE, m[2], re.DOTALL)]
    check(all(json.dumps(key, ensure_ascii=False) == s[0] for (key, _), s in zip(sigs, re.findall(SIGNATURE, m[2], re.DOTALL))),
          "a key ID with another spelling")
    check(len(sigs) <= 2, "%d signatures" % len(sigs))
    return b64(m[1]), sigs


def canonical(payload):
    """Parses a payload, which must be its own canonical form (RFC 8785; its members have ASCII names)."""
    def members(pairs):
        check(len({k for k, _ in pairs}) == len(pairs), "a member stands there twice")
        return dict(pairs)
    def integer(text):
        check(abs(int(text)) < 1 << 53, "a number that not every parser reads")
        return int(text)
    def fraction(text): raise Bad("%s is not an integer" % text[:20])
    check(len(payload) <= 32768, "a payload of %d bytes" % len(payload))
    value = json.loads(payload.decode(), object_pairs_hook=members, parse_int=integer, parse_float=fraction, parse_constant=fraction)
    check(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == payload,
          "the payload is not in canonical form")
    return value


def shaped(value, members, where):
    """Checks that value has the members that it must have, no others, and so on down."""
    check(isinstance(value, dict), "%s is not an object" % where)
    must = {m for m in members if m[-1] != "?"}
    check(must <= set(value) <= {m.rstrip("?") for m in members}, "%s: a member is missing or out of place" % where)
    for name, v in value.items():
        check(name in must or v not in NONE and v != [], "%s: %s stands for nothing" % (where, name))
        if isinstance(v, (dict, list)):
            check((name in MEMBERS) != (name in ("error", "tools")), "%s: %s is not one value" % (where, name))
            for entry in v if isinstance(v, list) else [v]:
                if name in MEMBERS: shaped(entry, MEMBERS[name], name)


def forms(r):
    """Checks the words, names and commitments of a record."""
    def short(value, most, where):
        check(not isinstance(value, str) or len(value.encode()) <= most, "%s is too long" % where)
    short(r.get("run"), 256, "run")
    for part in [r.get(m) or [] for m in ("balances", "breaker", "call", "decisions", "erased", "gap", "outcome", "plan", "refused", "request",
                                          "response", "who")]:
        parts = part if isinstance(part, list) else [part]
        for p in parts:
            for name, v in p.items():
                for entry in v if isinstance(v, list) else [v]:
                    for n, text in entry.items() if isinstance(entry, dict) else [(name, entry)]:
                        short(text, 512 if n in ("reason", "authority") else 256, n)
    call, decisions = r.get("call", {"kind": "tool"}), r.get("decisions", [])
    check(call["kind"] in ("chain", "plan", "model", "tool", "retriever"), "call of the kind %r" % call["kind"])
    check(call["kind"] == "model" or not {"request", "response"} & set(r), "request or response of a call that is of no model")
    check(call["kind"] == "plan" or "plan" not in r, "plan of a call that is none")
    check(all(d["verdict"] in ("allow", "deny", "transform") for d in decisions), "a verdict that is none")
    for m in ("input", "ran", "output"):
        if m in r: check(COMMITMENT.fullmatch(r[m]["commitment"]), "a commitment that is none")
    if "erased" in r: check(COMMITMENT.fullmatch(r["erased"]["commitment"]), "a commitment that is none")
    check(ORIGIN.fullmatch(r["ledger"]) and len(r["ledger"].encode()) <= 255, "the ledger is no origin")


def parse(payload):
    """Returns a record and its subject, name and digest."""
    s = canonical(payload)
    shaped(s.get("predicate"), KINDS.get(s["predicate"]["kind"], ["no such kind"]), s["predicate"]["kind"])
    r, (subject,) = s["predicate"], s["subject"]
    name, digest = subject["name"], subject["digest"]["sha256"]
    check(s == {"_type": "https://in-toto.io/Statement/v1", "predicate": r, "predicateType": "urn:safeconduct:record:v1",
                "subject": [{"digest": {"sha256": digest}, "name": name}]}, "another type of statement")
    check(r["v"] == 1, "version %r" % r["v"])
    check(UUID7.fullmatch(r["id"]) and UUID7.fullmatch(r["writer"]), "id or writer is not a UUID of version 7")
    check(TIME.fullmatch(r["time"]), "time %r" % r["time"])
    forms(r)
    own = ("run-id", r["run"]) if "run" in r else ("ledger", r["ledger"])
    check((name, digest) == (own[0], sha256(own[1].encode()).hex()) or name == "run" and r["kind"] in ("intent", "outcome", "run.end"),
          "the subject is another")
    return r, (name, digest)


def moment(time): return time[:19] + "." + time[20:-1].ljust(9, "0")  # sorts as text


# --- the tree and checkpoints

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


class Checkpoint:
    """A C2SP tlog-checkpoint, in a signed note."""
    def __init__(self, what, text):
        self.what = what
        try:
            self.body, _, rest = text.partition("\n\n")
            self.origin, size, root = self.body.split("\n")
            self.size, self.root = int(size), b64(root)
            check(str(self.size) == size and self.size >= 0 and rest.endswith("\n"), "not in its one form")
            self.signatures = [re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", l).groups() for l in rest[:-1].split("\n")]
            self.signatures = [(name, b64(sig)) for name, sig in self.signatures]
        except (Bad, ValueError, AttributeError): raise Bad("%s is not a checkpoint" % what)

    def signed(self, der):
        """Reports whether a key signed it. The 4 bytes before the signature are a hint; if they name the key, it must have."""
        hint = sha256(self.origin.encode() + b"\n\x01" + der[-32:])[:4]
        mine = [s[4:] for name, s in self.signatures if (name, s[:4]) == (self.origin, hint)]
        check(all(verify(der, self.body.encode() + b"\n", s) for s in mine), "the signature of %s is not of its text" % self.what)
        return bool(mine)


# --- the rules

class Keys:
    """Who signs: root keys come from the command line, sessions from what those signed."""
    def __init__(self, roots):
        self.roots = {sha256(der).hex(): der for der in roots}
        self.root = self.session = self.der = None  # in force: the root's key ID; the newest session, and its key
        self.reigns = []                            # the first record and the key of each session

    def take(self, n, r, sigs):
        """Takes record n and returns which keys must have signed it, with the signatures."""
        known = dict(self.roots, **({self.session["key"]: self.der} if self.session else {}))
        named = [(known[key], sig) for key, sig in sigs if key in known]
        ids, kind = [key for key, _ in sigs if key in known], r["kind"]
        check(len(sigs) <= (2 if kind == "key.rotate" else 1), "%d signatures" % len(sigs))
        if kind == "key.session":
            s = r["session"]
            root = self.root or next((i for i in ids if i in self.roots), None)
            check(root in ids, "the root key in force did not sign the session")
            self.root, self.session, self.der = root, s, b64(s["public"])
            self.reigns.append((n, self.der))
            check(sha256(self.der).hex() == s["key"], "the session's key ID is not of its key")
            check(s["signing"] in ("records", "checkpoints"), "signing %r" % s["signing"])
            after, before = (datetime.fromisoformat(s[k][:19]) for k in ("notAfter", "notBefore"))
            check(timedelta() < after - before <= timedelta(hours=25), "the session is longer than a day")
        elif kind == "key.rotate":
            nxt = r["rotate"]["key"]
            check(self.root and nxt in self.roots and b64(r["rotate"]["public"]) == self.roots[nxt], "it rotates to a key that was not given")
            check(nxt != self.root and ids == [self.root, nxt], "not both root keys signed the rotation, in this order")
            self.root = nxt
        else:
            check(self.session, "a record before the first session")
            check(self.session["key"] in ids or not sigs and self.session["signing"] == "checkpoints", "the session's key did not sign it")
        check(moment(self.session["notBefore"]) <= moment(r["time"]) <= moment(self.session["notAfter"]), "dated outside of its session")
        return named

    def reigned(self, checkpoint):
        """Reports whether a session signed the checkpoint that was in force at its size."""
        ends = [first for first, _ in self.reigns[1:]] + [float("inf")]
        signers = [(first, end) for (first, der), end in zip(self.reigns, ends) if checkpoint.signed(der)]
        check(signers, "no session of the ledger signed %s" % checkpoint.what)
        return any(first <= checkpoint.size <= end for first, end in signers)


class Chain:
    """The order of the records of each writer."""
    def __init__(self): self.writer, self.seq, self.prev, self.mono, self.seen, self.missing = None, 0, "", 0, {}, 0

    def take(self, r, digest, tree):
        if r["writer"] != self.writer:
            check(r["writer"] not in self.seen and r["seq"] == 1 and r["kind"] == "key.session", "a writer out of place")
            s, head = r["session"], {"hash": self.prev, "seq": self.seq, "writer": self.writer}
            check(s.get("previous") == (head if self.writer else None), "the writer does not follow the one before it")
            check(s.get("tree") == ({"records": tree.size, "root": tree.root().hex()} if self.writer else None),
                  "the tree is not the one that the session signs")
            self.seen[self.writer] = self.seq  # of those that have ended, the last number
            self.writer, self.prev, self.mono, self.missing = r["writer"], "0" * 64, 0, 0
        elif r["kind"] == "gap":
            gap, lost = r["gap"], r["seq"] - self.seq - 1
            check(lost > 0 and (gap["from"], gap["to"], gap["count"]) == (self.seq + 1, r["seq"] - 1, lost), "the gap is not what is missing")
            self.missing += lost
        else:
            check(r["seq"] == self.seq + 1, "seq %d follows %d" % (r["seq"], self.seq))
        check(r["prev"] == self.prev, "it does not follow from the record before it")
        check(int(r["mono"]) >= self.mono, "the monotonic clock steps back")
        refused = r.get("refused", {"ranges": [], "count": 0})
        check(len(refused["ranges"]) <= 64 and refused["count"] == sum(g["to"] - g["from"] + 1 for g in refused["ranges"])
              and r.get("breaker", {"state": "open"})["state"] in ("open", "closed"), "what it says of a delivery makes no sense")
        for g in refused["ranges"]:
            check(0 < g["from"] <= g["to"] < (r["seq"] if g["writer"] == self.writer else self.seen.get(g["writer"], 0) + 1),
                  "it says that records were refused that do not come before it")
        self.seq, self.prev, self.mono = r["seq"], digest, int(r["mono"])


class Run:
    """One run of one writer: its numbers, its calls, and what it says of itself."""
    def __init__(self):
        self.start, self.seq, self.head, self.ended = None, 0, None, False
        self.open, self.calls = {}, 0
        self.missing, self.lost = 0, 0  # of the writer at the run's last record; of the run

    def take(self, r, subject, digest, missing):
        kind, lost = r["kind"], r["runSeq"] - self.seq - 1
        check(0 <= lost <= missing - self.missing, "runSeq %d follows %d" % (r["runSeq"], self.seq))
        self.lost += lost
        if kind == "run.start":
            check(r["runSeq"] == 1, "the run begins twice")
            self.start = digest
        else:
            check(self.start is None or subject == ("run", self.start), "the subject is not the run's beginning")
            if subject[0] == "run": self.start = subject[1]
        if kind == "intent":
            check(r["call"]["id"] not in self.open, "a call begins twice")
            self.open[r["call"]["id"]] = r["call"]; self.calls += 1
        elif kind == "outcome":
            check(r["call"]["id"] in self.open or self.lost, "a call ends and did not begin")
            check(self.open.get(r["call"]["id"], r["call"]) == r["call"], "a call ends as another one than it began as")
            check(r["outcome"]["result"] in ("done", "denied", "failed", "cancelled"), "result %r" % r["outcome"]["result"])
            self.open.pop(r["call"]["id"], None)
        elif kind == "run.end":
            end = r["runEnd"]
            check(not self.ended and end["records"] == r["runSeq"] and (self.lost or (end["calls"], end["head"]) == (self.calls, self.head)),
                  "the run's end does not agree with its records")
            self.ended = True
        self.seq, self.head, self.missing = r["runSeq"], digest, missing


def tiles(ledger, leaves):
    """Checks the tiles of the tree that are there: none is wrong, though it may end early, and none is beyond the tree."""
    levels = [leaves]
    for path in sorted((ledger / "tile").glob("**/*")):
        m = re.fullmatch(r"(\d+)/((?:x\d{3}/)*\d{3})", path.relative_to(ledger / "tile").as_posix())
        if not m or m[1] != str(int(m[1])) or int(m[1]) > 63 or m[2].startswith("x000/") or path.is_dir(): continue  # the name of none
        level, n = int(m[1]), int(re.sub("[x/]", "", m[2]))
        while level >= len(levels) and levels[-1]:
            below, levels = levels[-1], levels + [[]]
            for i in range(len(below) // 256): levels[-1].append(subtree(below[256 * i:256 * i + 256]))
        nodes = levels[level][256 * n:256 * n + 256] if level < len(levels) else []
        check(len(nodes) == 256, "%s is beyond the tree" % path)
        check(b"".join(nodes).startswith(path.read_bytes()), "%s is not the tile of these records" % path)


def subtree(nodes):
    while len(nodes) > 1: nodes = [sha256(b"\1" + a + b) for a, b in zip(nodes[::2], nodes[1::2])]
    return nodes[0]


def covered(envelopes, outside):
    """Returns how many records a signature covers: up to the last one that has one, or to the end of a checkpoint."""
    bare = [env.endswith(b'"signatures":[]}') for env in envelopes]
    signed = [n for n, b in enumerate(bare, 1) if not b]
    for last, n in zip([0] + signed, signed + [len(bare) + 1]):
        check(n - last <= MOST_UNSIGNED + 1, "record %d: no signature covers it nor the %d before it" % (last + MOST_UNSIGNED + 1, MOST_UNSIGNED))
    return max(signed[-1:] + [c.size for c in outside if c.size <= len(bare)], default=0)


def main(ledger, roots, origin, outside):
    keys, chain, tree, runs = Keys(roots), Chain(), Tree(), {}
    signatures, leaves, roots_at, sizes = [], [], {0: sha256(b"")}, {c.size for c in outside}
    envelopes = list(frames(ledger))
    check(envelopes, "the ledger holds no record")
    end = covered(envelopes, outside)
    for n, env in enumerate(envelopes, 1):
        try:
            payload, sigs = envelope(env)
            r, subject = parse(payload)
            digest = sha256(payload).hex()
            origin = origin or r["ledger"]
            check(r["ledger"] == origin, "a record of the ledger %r" % r["ledger"])
            if n > end:  # it is no evidence, but it must look like what is on its way
                check(r["writer"] == chain.writer and r["prev"] == chain.prev and keys.session["signing"] == "checkpoints"
                      and r["kind"] not in ("key.session", "key.rotate"),
                      "no signature covers it, and it does not follow from the record before it")
                chain.prev = digest
                continue
            named = keys.take(n, r, sigs)
            signatures += [(n, der, pae(payload), sig) for der, sig in named]
            if r["writer"] != chain.writer: runs = {}
            chain.take(r, digest, tree)
            if "run" in r: runs.setdefault(r["run"], Run()).take(r, subject, digest, chain.missing)
        except (Bad, ValueError, KeyError, TypeError, AttributeError) as e: raise Bad("record %d: %s" % (n, e))
        tree.append(env)
        leaves.append(sha256(b"\0" + env))
        if n in sizes: roots_at[n] = tree.root()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (n, *_), good in zip(signatures, pool.map(lambda s: verify(*s[1:]), signatures)):
            check(good, "record %d: the signature is not of this payload" % n)
    for c in outside:
        check(c.origin == origin, "%s is of the ledger %r" % (c.what, c.origin))
        check(c.size <= tree.size, "%s covers %d records, and %d are there" % (c.what, c.size, tree.size))
        check(keys.reigned(c), "the session that signed %s was not in force at its record" % c.what)
        check(roots_at[c.size] == c.root, "%s has another root: the ledger was rewritten" % c.what)
    tiles(ledger, leaves)
    print("%s is intact: %d records, %d signatures, root %s" % (origin, tree.size, len(signatures), tree.root().hex()))
    if len(envelopes) > end: print("%d more at its end that no signature covers yet, which are no evidence" % (len(envelopes) - end))


def command(args):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("ledger", type=Path, metavar="LEDGER")
    p.add_argument("root", nargs="+", type=Path, metavar="ROOT.pub")
    p.add_argument("--ledger", dest="origin", metavar="ORIGIN")
    p.add_argument("--checkpoint", action="append", default=[], type=Path, metavar="FILE")
    a = p.parse_args(args)  # exits with 2
    try:
        roots = [b64("".join(l for l in path.read_text().split("\n") if "-----" not in l)) for path in a.root]
        outside = [Checkpoint(str(path), path.read_text()) for path in a.checkpoint]
        own = a.ledger / "checkpoint"  # read before the records: a writer adds to those first
        own = own.read_bytes() if own.exists() else None
    except (Bad, OSError, ValueError) as e:
        print("cannot be checked: %s" % e, file=sys.stderr); return 2
    try:
        if own is not None: outside.append(Checkpoint("the ledger's checkpoint", own.decode()))
        main(a.ledger, roots, a.origin, outside)
    except (Bad, UnicodeDecodeError) as e:
        print("NOT intact: %s" % e); return 1
    except OSError as e:
        print("cannot be checked: %s" % e, file=sys.stderr); return 2
    return 0


if __name__ == "__main__": sys.exit(command(sys.argv[1:]))
