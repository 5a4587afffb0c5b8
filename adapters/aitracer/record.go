package aitracer

import (
	"cmp"
	"encoding/json"
	"fmt"

	"example.com/safeconduct/evidence/record"
)

// parseRecord takes the record out of an envelope. It looks at no signature, and
// at those members alone that an [Event] is made of: the envelopes are those of
// the ledger that hands them over. What the record does not have is zero, and not
// nil. Its errors are refusals, and hold nothing of the envelope.
func parseRecord(data []byte) (*record.Record, error) {
	if len(data) > record.MaxEnvelope {
		return nil, refusal(fmt.Sprintf("aitracer: an envelope of %d bytes", len(data)))
	}
	// The signatures are for whoever keeps the records: the vendor gets other bytes.
	var envelope struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, refusal("aitracer: what came is not an envelope")
	}
	if envelope.PayloadType != record.PayloadType || len(envelope.Payload) > record.MaxPayload {
		return nil, refusal("aitracer: the envelope holds no record")
	}
	var statement struct {
		PredicateType string        `json:"predicateType"`
		Predicate     record.Record `json:"predicate"`
	}
	if err := json.Unmarshal(envelope.Payload, &statement); err != nil {
		return nil, refusal("aitracer: the payload of the envelope is not a statement")
	}
	r := &statement.Predicate
	r.Call, r.Outcome = cmp.Or(r.Call, new(record.Call)), cmp.Or(r.Outcome, new(record.Outcome))
	r.Usage = cmp.Or(r.Usage, new(record.Usage))
	r.Request, r.Response = cmp.Or(r.Request, new(record.Request)), cmp.Or(r.Response, new(record.Response))
	for _, c := range []**record.Content{&r.Input, &r.Ran, &r.Output} {
		*c = cmp.Or(*c, new(record.Content))
	}
	if statement.PredicateType != record.PredicateType || r.ID == "" || r.Writer == "" || r.Kind == "" {
		return nil, refusal("aitracer: the statement is not a record that this version knows")
	}
	if r.Kind == record.KindOutcome && (r.Run == "" || r.Call.ID == 0 || r.Outcome.Result == "") {
		return nil, refusal("aitracer: the record is an outcome of no call")
	}
	return r, nil
}
