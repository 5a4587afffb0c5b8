// Package collector is the receiving end of exporters, for one machine: it takes
// signed records over HTTP, verifies them, stores them in one ledger for each
// origin, and acknowledges them once they are durable.
//
//	c, err := collector.New("collected", collector.Config{Policy: policy, Clients: clients})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	return c.Serve(ctx, listener)
//
// So what an agent did is kept where the agent cannot change it. The collector's
// checkpoint shows whether the ledger at the agent was cut or rewritten:
//
//	curl -H "Authorization: Bearer $KEY" https://collector/v1/checkpoints/prod > prod.checkpoint
//	safeconduct verify ledger --key agent.key.pub --checkpoint prod.checkpoint
//
// The same as a program is safeconduct serve. Package httpsink has the client.
//
// # The wire
//
// Records are posted as lines of JSON, each a signed envelope as it stands in the
// ledger, compressed with gzip or not:
//
//	POST /v1/records HTTP/1.1
//	Authorization: Bearer 5f2b...
//	Content-Type: application/x-ndjson
//	Content-Encoding: gzip
//
//	{"payload":"eyJfdHlw...","payloadType":"application/vnd.in-toto+json","signatures":[...]}
//	{"payload":"eyJfdHlw...","payloadType":"application/vnd.in-toto+json","signatures":[...]}
//
// All belong to one ledger, and come in its order: a ledger's records are one chain,
// through all the writers that it had one after the other, and its tree covers all of
// them. That is why a directory is for a ledger and not for a writer. The answer
// comes once all are on disk:
//
//	{"ledger":"prod","taken":2,"records":1042,"head":{"hash":"9b1c...","seq":17,"writer":"019d0c2e-..."}}
//
// An answer that is no success is a problem detail (RFC 9457). Its taken says how
// many records, from the first on, are stored all the same:
//
//	{"type":"urn:safeconduct:problem:missing","title":"...","status":409,"taken":1,"records":1041,"head":{...}}
//
//	missing       409  records before this are missing, or a signed one after it
//	                   that covers it: go on with the record of index records,
//	                   which follows head. Retry-After is set, since they may be
//	                   under way
//	equivocation  409  a signed record or checkpoint contradicts what is there. Both
//	                   are kept, neither replaces the other
//	refused       422  it does not verify; damage says why
//	unauthorized  401  no key, or one that is not known
//	forbidden     403  the key is not for that
//	too_large     413  a body, a line, or records beyond the limits
//	slow          408  a body that does not come in time
//	busy          429  too many requests of this key at a time
//	unavailable   503  the disk fails, the ledger is damaged, or the collector closes
//
// A record that is there already is acknowledged and not stored again, so that a
// batch can be sent again where the answer was lost. Records that come too early are
// not stored: a client sends the batches of one ledger one after the other. Where
// the collector has lost records, or was never sent them, it says missing, and an
// exporter goes back to the first of them.
//
// Checkpoints are posted to /v1/checkpoints/{ledger} as they are, and read from
// there. GET /v1/runs?ledger={ledger} and /v1/runs/{run}?ledger={ledger} show what runs
// there were, and their records as they are signed. /metrics has counts in the text
// format of Prometheus. All these need a key. /healthz and /openapi.json do not; the
// latter describes them all as OpenAPI 3.1.
//
// # Clients
//
// The file of clients, which [LoadClients] reads, looks like this:
//
//	{
//	  "version": 1,
//	  "clients": [
//	    {
//	      "name": "agent-1",
//	      "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
//	      "write": ["prod-agent"]
//	    },
//	    {
//	      "name": "auditor",
//	      "sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
//	      "read": ["*"]
//	    }
//	  ]
//	}
//
// Here sha256 is the hash of the bearer key, in lower-case hexadecimal: what
// "printf %s KEY | sha256sum" prints. The members write and read may be left out:
// what is left out allows nothing.
//
// # On disk
//
//	DIR/ledgers/NAME                     a ledger, as evidence/FORMAT.md describes it
//	DIR/equivocations/NAME/CLIENT.ndjson what contradicts it, if anything does
//
// A NAME is made of what can be read of the origin and of its hash, and so is CLIENT
// of the client's name. A line of an .ndjson file is JSON with time, client and
// ledger, of a record also writer and seq, and with what is held and what was
// received, each an envelope or a checkpoint. Both are signed by keys of the ledger,
// and so the line proves to anybody that these keys signed both. Where sessions sign
// only checkpoints, a record that is held may have no signature of its own: the next
// signed record of the ledger covers it. What nobody signed is no equivocation, and in
// no file.
//
// # Who may do what
//
// A key is a bearer token over a channel that must be TLS wherever others could
// listen. It says who may try to write a ledger. What is written must also be signed,
// by a session whose root key the policy trusts for that ledger: a stolen key alone
// forges nothing, and neither does the name of a ledger.
// Where sessions sign only checkpoints, records without a signature are stored with
// the one that is signed and covers them, of the same request, and not before.
//
// What a record says of runs and calls is not judged; see evidence.Verify, which
// takes the directory of a ledger, also while it is written.
package collector
