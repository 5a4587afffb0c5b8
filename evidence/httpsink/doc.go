// Package httpsink is an evidence.Sink that posts records over HTTP, as lines of
// JSON, to package collector or to anything else that takes them.
//
//	sink, err := httpsink.New(httpsink.Config{
//		URL:           "https://collector:8443/v1/records",
//		CheckpointURL: "https://collector:8443/v1/checkpoints/{ledger}",
//		Token:         func() string { return os.Getenv("COLLECTOR_TOKEN") },
//	})
//	if err != nil {
//		return err
//	}
//	defer sink.Close(ctx)
//	recorder, err := evidence.Open("ledger", evidence.Config{
//		Key:       key, // see evidence.LoadOrCreateKey
//		Exporters: []evidence.Exporter{{Sink: sink.Send}},
//		Publish:   sink.Publish,
//	})
//
// # What is sent
//
// A POST with the type application/x-ndjson, compressed with gzip: each line is a
// signed envelope, byte for byte as in the ledger. Records hold no contents, but
// names and reasons in the clear; see record.Record.
//
// # What an answer means
//
// An answer of the class 2xx says that all records were taken, unless it is JSON
// with a member "taken" that says how many, or a page of HTML, as something in
// between may answer. Any other says that they were not, or by "taken" how many of
// them: see [Sink.Send]. Redirects are not followed, so that the token goes to
// nobody else.
//
// After a status of 400 to 599 sending the same again is of no use, with three
// exceptions. 408, 425, 429, 502, 503 and 504 pass. 401, 403 and 407 say that the token
// is not accepted: all waits until it is. By 409 with Retry-After a collector says that
// records before these are missing, and with a member "records" how many it has: the
// exporter goes back to the first that it misses. Where a collector has refused one record, or one alone is too large, only that one is
// refused for good.
//
// While the token is wrong nothing is refused: all waits in the ledger, and goes out
// once the token is right. An exporter parks what is refused for good: the ledger has
// it. It is sent again where a collector says that it misses it, as a collector takes
// no ledger with a hole, or where somebody asks for it: see evidence.Resend.
package httpsink
