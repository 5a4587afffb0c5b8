// Package aitracer speaks the ingest API of AITracer (aitracer.app): as a sink of
// a ledger's records, as a client for those who want the API alone, and as both
// ends of its signed webhooks.
//
//	client, err := aitracer.New(aitracer.Config{
//		BaseURL: "https://aitracer.example.com",
//		Key:     func() string { return os.Getenv("AITRACER_KEY") },
//	})
//	...
//	sink := aitracer.NewSink(client, aitracer.SinkConfig{Workflow: "finance-review"})
//	recorder, err := evidence.Open("ledger", evidence.Config{Key: key, Exporters: []evidence.Exporter{{Sink: sink.Take}}})
//
// # What is posted
//
// A [Sink] posts what came of a call, once its outcome is recorded:
//
//	POST /api/traces                           a model call; the root call of a run, where that is a chain
//	POST /api/ingest/tool-calls                a tool call
//	POST /api/integrations/openai-guardrails   what the gates decided about any call, where there are any
//	POST /api/integrations/otlp/v1/traces      every call as a span, in place of the others: SinkConfig.OTLP
//
// The requestId is the ID of the outcome's record, so that a record that is
// posted again can be told from another. A call whose outcome never comes, since
// its process died, is not posted: no documented status stands for it. It is in
// the ledger, where evidence.Verify counts it. The last 4096 intents are remembered,
// for the model asked for, the commitment to the input and the name of the run's
// root call. Where an intent was shipped before a restart, these are left out.
//
// Names of calls, models and gates, and the reasons and classes of what was
// denied and failed, are posted. Contents are not, unless SinkConfig.Content
// supplies them; then they are redacted first. Costs are exact: integers become
// decimals without a float in between.
//
// # What a Sink returns
//
// What the vendor answers with 400, or with any other status that says that sending
// the same again is of no use, is refused for good, and so is what is no record.
// Where the key is wrong nothing is refused: the error of [Sink.Take] says so by its
// method Unauthorized, and an exporter waits until the key is right.
//
// The error also says by its methods Taken, how many envelopes from the front need
// not come again; Permanent, whether the Refused ones that follow them are refused
// for good; and RetryAfter, how long the vendor asked to wait. What was taken beyond
// that is not posted again when it comes again.
//
// # Webhooks
//
// [Verify] answers a webhook with 400 where a header is missing or malformed, 401
// where the timestamp is too old or too far ahead or the signature is wrong, 409
// where the signature was seen before, 413 where the body is too large, and 503
// where it remembers as many as it may. It compares in constant time.
//
// A webhook counts as seen once it is passed on, whatever the next Handler makes of
// it. What was seen is forgotten when the process ends: a replay that comes after
// that, and within the tolerance, is not known. How long a client may take to send a
// body is for the http.Server to bound. Timestamps are in seconds, so that two equal
// bodies that are signed within one second have one signature: the second is a
// replay.
//
// # What the vendor documents
//
// The paths above, the bearer key, the members of the body for /api/traces (one
// example with one status, "completed"), that OTLP is JSON with resourceSpans,
// and the names and forms of the two headers of a webhook.
//
// # What is assumed here
//
//   - The statuses "denied", "failed" and "cancelled", and which call becomes what.
//   - The members for /api/ingest/tool-calls and /api/integrations/openai-guardrails.
//     They are those of the default [Encoder], made up here.
//   - That what a webhook signs is the timestamp, a full stop and the body.
//   - That any answer of 2xx means taken, unless it is a page of HTML. Its body is
//     looked at only for what OTLP says of rejected spans. 408, 425, 429, 502, 503
//     and 504 are tried again, and redirects, which are not followed; 401, 403 and
//     407 say that the key is wrong, and open the breaker; all others from 400 on
//     refuse for good.
//   - That posting a requestId again does no harm. Whether the vendor takes it for
//     the same trace is not documented.
//   - Timeouts, pauses, numbers of attempts and of requests at a time, and bounds
//     on sizes: see [Config]. A 429 and a Retry-After are what HTTP says they are.
//
// # What is not here
//
// A batch is single posts side by side: no endpoint for batches is documented.
// There is nothing for /api/integrations/openai-agents and /api/ingest/feedback.
// Nothing is read back from the vendor. What it verifies are hashes that it
// computes itself over what it got; the signatures of the records stay in the
// ledger.
package aitracer
