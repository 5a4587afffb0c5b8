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
// While the token is wrong nothing is refused: all waits in the ledger, and goes out
// once the token is right. What is refused for good an exporter parks: the ledger has
// it, and it comes again where a collector says that it misses it, as it takes no
// ledger with a hole, or where somebody asks for it: see evidence.Resend.
package httpsink
