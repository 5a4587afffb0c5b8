// Package evidencetest is for people who write an evidence.Sink, or what stands
// behind one.
//
// [TestSink] checks what each sink must do, and explains the rule that was broken:
//
//	func TestMySink(t *testing.T) {
//		evidencetest.TestSink(t, func(t *testing.T, _ ed25519.PublicKey) evidencetest.Subject {
//			db := newDB(t)
//			return evidencetest.Subject{Sink: mysink.New(db), Stored: db.Envelopes}
//		})
//	}
//
// [NewServer] is an HTTP server that fails as it is told to, for sinks that post.
// [Records] makes signed records to try things with.
package evidencetest
