package aitracer

import (
	"encoding/json"
	"fmt"
	"time"
)

// What a ledger's records are made of; evidence/FORMAT.md defines them.
const (
	payloadType   = "application/vnd.in-toto+json"
	predicateType = "urn:safeconduct:record:v1"
	maxEnvelope   = 65_535
	maxPayload    = 32 << 10
)

// An envelope is a DSSE envelope. Its signatures are for whoever keeps the
// records: the vendor gets other bytes.
type envelope struct {
	Payload     []byte `json:"payload"`
	PayloadType string `json:"payloadType"`
}

// A statement is an in-toto Statement.
type statement struct {
	PredicateType string `json:"predicateType"`
	Predicate     record `json:"predicate"`
}

// A record has those members of a record that an [Event] is made of. Decimal
// strings are int64s here.
type record struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Writer string    `json:"writer"`
	Run    string    `json:"run"`
	Time   time.Time `json:"time"`
	Call   struct {
		ID     uint32 `json:"id"`
		Parent uint32 `json:"parent"`
		Kind   string `json:"kind"`
		Name   string `json:"name"`
	} `json:"call"`
	Input   content `json:"input"` // intent
	Request struct {
		Model string `json:"model"`
	} `json:"request"` // intent of a model call
	Ran       content    `json:"ran"`       // outcome
	Output    content    `json:"output"`    // outcome
	Decisions []decision `json:"decisions"` // outcome
	Outcome   struct {
		Result  string        `json:"result"`
		Gate    string        `json:"gate"`
		Code    string        `json:"code"`
		Reason  string        `json:"reason"`
		Error   []string      `json:"error"`
		Told    bool          `json:"told"`
		Latency time.Duration `json:"latency,string"`
	} `json:"outcome"`
	Response struct {
		Model   string `json:"model"`
		Choices []struct {
			StopReason string `json:"stopReason"`
		} `json:"choices"`
	} `json:"response"`
	Usage struct {
		Input    int64 `json:"input,string"`
		Output   int64 `json:"output,string"`
		Total    int64 `json:"total,string"`
		Cost     int64 `json:"cost,string"`
		Reported bool  `json:"reported"`
	} `json:"usage"`
}

type content struct {
	Commitment string `json:"commitment"`
}

// A decision has the fields of a [Decision], in the same order.
type decision struct {
	Gate    string        `json:"gate"`
	Verdict string        `json:"verdict"`
	Shadow  bool          `json:"shadow"`
	Code    string        `json:"code"`
	Reason  string        `json:"reason"`
	Elapsed time.Duration `json:"elapsed,string"`
}

// The kinds of records that matter here.
const (
	recordIntent  = "intent"
	recordOutcome = "outcome"
)

// parseRecord takes the record out of an envelope. It looks at no signature:
// the envelopes are those of the ledger that hands them over. Its errors are
// refusals, and hold nothing of the envelope.
func parseRecord(data []byte) (*record, error) {
	if len(data) > maxEnvelope {
		return nil, refusal(fmt.Sprintf("aitracer: an envelope of %d bytes", len(data)))
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, refusal("aitracer: what came is not an envelope")
	}
	if e.PayloadType != payloadType || len(e.Payload) > maxPayload {
		return nil, refusal("aitracer: the envelope holds no record")
	}
	var s statement
	if err := json.Unmarshal(e.Payload, &s); err != nil {
		return nil, refusal("aitracer: the payload of the envelope is not a statement")
	}
	r := &s.Predicate
	if s.PredicateType != predicateType || r.ID == "" || r.Writer == "" || r.Kind == "" {
		return nil, refusal("aitracer: the statement is not a record that this version knows")
	}
	if r.Kind == recordOutcome && (r.Run == "" || r.Call.ID == 0 || r.Outcome.Result == "") {
		return nil, refusal("aitracer: the record is an outcome of no call")
	}
	return r, nil
}
