// Package record is the format of a ledger's records: what they say, and the
// bytes in which they are signed. Import it to read records, as a sink does:
//
//	func sink(ctx context.Context, envelopes [][]byte) error {
//		for _, envelope := range envelopes {
//			r, err := record.Parse(envelope) // looks at no signature
//			if err != nil {
//				return err
//			}
//			if r.Kind == record.KindOutcome && r.Outcome.Result == record.ResultDenied {
//				fmt.Println(r.Call.Name, r.Outcome.Reason)
//			}
//		}
//		return nil
//	}
//
// Package evidence writes ledgers and verifies them. FORMAT.md there describes
// every byte.
//
// # The layers of a record
//
// A [Record] is the predicate of an in-toto Statement, which says by a [Subject]
// what the record is about. The Statement in its one form, that of RFC 8785, is
// the payload: [AppendPayload] and [ParsePayload] (encode.go, statement.go). A payload with its signatures
// is a DSSE [Envelope], which has one form as well: [AppendEnvelope] and
// [Envelope.Parse] (envelope.go). What is signed is DSSE's pre-authentication encoding of the
// payload: [AppendPAE].
//
// Parsers take the one form and nothing else, so that no two of them can read a
// record differently. Their errors say by a [Damage] what is wrong.
package record
