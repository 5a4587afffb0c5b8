// Package gates holds the gates that decide whether a call may run: what may
// enter a run ([Ingress]), which tools it may use ([Tools]), and how much it
// may spend ([Budget]). Each is a [middleware.Interceptor].
//
//	guarded := middleware.Wrap(calculator,
//		gates.Ingress(gates.IngressRules{Required: []string{"input"}}),
//		gates.Tools("calculator"),
//		gates.Budget(gates.Limits{ToolCalls: 5, Tokens: 20_000}),
//	)
//
// [Arguments] judges what a tool is called with, [Loop] whether the agent goes in
// circles; [Deadline], [Rate], [Concurrency] and [Size] bound each call.
//
// Make each gate once and give the same one to everything that belongs
// together, chain, agent, models and tools: what a gate counts lives in the
// gate, for each run.
//
// A budget counts for each run, session, subject, tenant and for the process,
// for as long as they live or for a time window, calls, tokens and money; see
// [Limits]. What tokens cost [Prices] know.
//
// Gates fail closed. One that cannot decide denies, an allowlist without names
// allows nothing, and the zero value of a field is a documented default or no
// limit, whichever it says. Nonsense in what the programmer writes panics when
// the gate is made. All gates are safe for concurrent use.
//
// Reasons say what is wrong, and never quote what was judged. The name of a tool, a
// model or an input, which a model or a user may have made up, stands in them quoted,
// escaped to ASCII and cut to 64 bytes.
//
// The package imports middleware and the standard library only.
package gates
