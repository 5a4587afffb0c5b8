// Package gates is for whoever bounds what an agent may do: what may enter a run
// ([Ingress]), which tools it may use ([Tools]) and with what ([Arguments]), which
// documents it may read ([Sources]), and how much it may spend ([Budget]). Each gate is
// a [middleware.Interceptor].
//
//	guarded := middleware.Wrap(calculator,
//		gates.Ingress(gates.IngressRules{Required: []string{"input"}}),
//		gates.Tools("calculator"),
//		gates.Budget(gates.Limits{ToolCalls: 5, Tokens: 20_000}),
//	)
//
// [Loop] judges whether the agent goes in circles; [Deadline], [Rate], [Concurrency]
// and [Size] bound each call.
//
// Make each gate once and give the same one to everything that belongs
// together, chain, agent, models and tools: what a gate counts lives in the
// gate, for each run.
//
// Gates fail closed. One that cannot decide denies, an allowlist without names
// allows nothing, and the zero value of a field is a documented default or no
// limit, whichever it says. Nonsense in what the programmer writes panics when
// the gate is made. All gates are safe for concurrent use, and what a call costs does
// not depend on how many tools are listed or have rules.
//
// Reasons say what is wrong, and never quote what was judged. The name of a tool, a
// model or an input, which a model or a user may have made up, stands in them quoted,
// escaped to ASCII and cut to 64 bytes.
//
// Outside of this module the package imports the standard library only.
//
// # What a budget charges
//
// A [Budget] counts calls, tokens and money for each run, session, subject, tenant and
// for the process, for as long as they live or for a time window; see [Limits].
// [Prices] say what tokens cost.
//
// A tool call takes one. It counts once the tool was called, whatever came of
// it: a failure, a panic, the end of the context. One that a gate further
// inside denied is given back.
//
// A model call reserves one, and an estimate of its tokens. Of the prompt that
// is one for every four bytes of text, and 1600 for each part that is media, such
// as an image; see [middleware.Part]. For the output it is its MaxTokens, or else
// Limits.Estimate, for each of the answers asked for. All of the input may turn
// out to be cached, and all of the output reasoning: limits on those reserve as
// much. The cost reserved is the most that such tokens may cost.
//
// The call is settled with what the provider reports. The estimate is charged
// where the provider reports nothing, zero, or what cannot be believed: a
// negative number, more than a billion, more cached tokens than input. Where it
// leaves out the prompt, or the output of an answer that is not empty, that is
// charged by the estimate. A note on the call's trail says so. Where the provider
// reports a cost of its own it is charged instead of that by
// [BudgetOptions.Prices], which do not know the conditions under which the provider
// bills. A call to a model whose price is not known is denied with
// [middleware.CodeIndeterminate].
//
// Of a call that failed what was reported is charged, or the estimate, where a part
// of the answer had been streamed or Usage came back without numbers; otherwise its
// tokens are given back. One that did not come to the model takes nothing. One that
// did, and was denied then by a gate inside or panicked, is charged as one that was
// answered: whether that happens may be up to what the model says. So a limit on
// tokens or cost is overshot by no more than what the reservations of the calls then
// under way underestimated.
//
// The gate reports what is left to [middleware.Run.Balances]. Tool calls under
// way count as used there; wall_time is in milliseconds. What a Store keeps is
// reported as it was when the run last reserved.
//
// # Tables of prices
//
// [ReadPrices] reads such a table:
//
//	safeconduct prices v1
//	# figures of our contract
//	source contract our agreement with the provider, annex 2
//	model 2026-07-01 contract gpt-4o-2024-11-20 input=2000000 output=8000000 cached=1000000
//	model 2026-07-01 contract big input=3000000 output=15000000 write=3750000 reasoning=20000000
//	above 2026-07-01 contract big 200000 input=6000000 output=22500000
//	alias 2026-07-01 contract gpt-4o gpt-4o-2024-11-20
//	model 2026-07-01 contract * input=100000000 output=100000000
//
// Every line says as of when its figures hold and from which source. The fields stand in
// this order; cached (read from the provider's cache) and write (to it) cost as input of
// the same line where they are missing, and reasoning as output. Lines of "above" follow
// the line of their model, in ascending order, and hold for requests whose prompt has
// more tokens. An alias is another name of a model, and the model "*" is for all that are
// not in the table; without it they are denied. A figure of 0 must be written: a model of
// one's own may be free.
//
// # Streams under a budget
//
// A stream is counted while it comes, at four bytes a token, and what it takes
// beyond its estimate is reserved as well. The chunk for which there is no room is
// not passed on, and the call is denied and charged with what had come, that chunk
// included. Four bytes are an average: where tokens are longer than that, a stream
// is ended too early by as much, and where they are shorter too late. A request that
// bounds its output is believed up to twice as much, as the provider keeps to the
// bound by a better count. Where the provider does not report what a stream took,
// the estimate or what was counted is charged, whichever is more.
//
// # Plans and time under a budget
//
// A plan that asks for more tool calls than are left is denied before any of them
// runs, and nothing is charged. If they fit, they are reserved for the chain that the
// plan belongs to, where that chain itself runs under this gate, and its tool
// calls draw on them. What is left over goes back when the chain plans again or ends;
// the calls of a plan that is made again, by [middleware.Again], take the place of
// those of the first. A plan without such a chain is checked, and nothing is reserved;
// neither is it in a [Store] of one's own.
//
// Limits.WallTime denies calls that begin when the time is over, and is the deadline
// of those under way. A call that it ends is denied, where it is the outermost that
// the gate saw; within, the context's error comes back.
//
// # How arguments are read
//
// What [Arguments] judges is one JSON object, of at most 1 MiB and nested at most 64
// deep, read as strictly as JSON can be: a name that is there twice, two that differ
// by case only, one that differs by case only from that of a rule, half of a
// surrogate pair, or anything after the object is denied, so that whatever the
// tool reads them with, it gets what was judged. They are not changed.
//
// A path that some tool or system may read in another way does not satisfy
// [Folder.Path]:
//   - with a NUL or another control or format character, or not in UTF-8
//   - with what a shell reads in double quotes: a backslash, a dollar sign, a
//     backquote, a double quote
//   - with what cannot stand in a name on Windows, or is dropped there: one of
//     < > | ? *, a dot or a blank at the end of a name, a colon before the first
//     slash (C:, file:, host:)
//   - with what becomes a dot, a slash or a backslash where text is normalized or
//     brought to an older encoding, such as a full-width one
//   - with a byte that is written as in URLs (%2e)
//   - one that begins with a tilde or a dash, an empty one, one that is not cleaned
//     (a/../b, a//b, ./a), of over 4096 bytes, or with a name of over 255
//
// To a shell blanks, quotes, semicolons and the like in a path are no part of it
// all the same: a tool that writes a command line has to quote it.
//
// [ReadOnlySQL] knows no dialect, and does not parse. So it is strict about all that
// dialects read in different ways, and denies queries that are harmless: with
// comments, backslashes, dollar quotes, brackets, variables, a function by a quoted
// name or one with a schema, a number that a letter follows (1INTO), characters that
// are not ASCII outside of quotes, and anywhere outside of quotes a word that
// changes data or locks it, such as INSERT, INTO or SHARE. A column of such a
// name must be quoted. Since some dialects need no semicolon between statements, it
// also denies what does not look like one query alone: a second SELECT, and
// operands with no operator or keyword between them, but for one alias without AS.
// What looks like a table or a column is taken for one: it does not know of
// functions that a dialect (Oracle's) calls without parentheses, of views that
// do more than read, nor of names that stand for files (DuckDB's).
//
// # What a loop is
//
// To [Loop] two calls are identical if they are of the same tool, and their arguments
// are the same JSON value: the order of members, white space, escapes and the
// spelling of numbers do not matter. Arguments that are not JSON are the same
// if their text is, apart from white space around it.
//
// The first call that goes too far does not run, and comes back as an
// [middleware.Observation] that tells the model. If the agent goes too far again
// within Window tool calls, the call is denied, with [middleware.CodeLoop].
// Either way the decision on the trail is a denial. A plan that asks for unknown
// tools once too often is answered in the same way, as a whole. That a gate
// further inside denies a call is seen only afterwards: when there is one denial too
// many its observation says so, and the next denial has CodeLoop.
//
// # Who waits for a place
//
// Under [Concurrency] a call lends its place to one call within it at a time: a tool
// that calls a model takes one place, and does not wait for itself. Others that it
// makes meanwhile need places of their own, and so does what is called with the
// context of a call that has returned. A call that returns before one within it leaves
// its place to that one. Waiting calls are served first come, first served; a call
// within another one also takes the place of that one as soon as it is lent. A place is
// given back when the call returns, panics or ends its goroutine.
package gates
