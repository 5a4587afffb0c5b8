package middlewaretest

// A rule is one sentence of the contract of [middleware.Interceptor].
type rule uint8

const (
	ruleHandler rule = iota
	ruleDescribe
	ruleReach
	ruleKinds
	ruleReturn
	ruleOnce
	ruleAgain
	ruleIdentity
	ruleInput
	ruleStream
	ruleStreamError
	ruleValues
	ruleDeadline
	ruleCancel
	ruleError
	ruleOutput
	ruleUsage
	ruleDenial
	rulePanic
	ruleGoexit
	ruleOwnPanic
	ruleConcurrent
	ruleApart
	ruleGoroutine
	ruleCount
)

// String returns the rule's name, which is stable.
func (r rule) String() string {
	return [ruleCount]string{
		ruleHandler:     "handler",
		ruleDescribe:    "describe",
		ruleReach:       "reach",
		ruleKinds:       "kinds",
		ruleReturn:      "return",
		ruleOnce:        "once",
		ruleAgain:       "again",
		ruleIdentity:    "identity",
		ruleInput:       "input",
		ruleStream:      "stream",
		ruleStreamError: "stream-error",
		ruleValues:      "context-values",
		ruleDeadline:    "context-deadline",
		ruleCancel:      "context-cancel",
		ruleError:       "error",
		ruleOutput:      "output",
		ruleUsage:       "usage",
		ruleDenial:      "denial",
		rulePanic:       "panic",
		ruleGoexit:      "goexit",
		ruleOwnPanic:    "own-panic",
		ruleConcurrent:  "concurrent",
		ruleApart:       "apart",
		ruleGoroutine:   "goroutine",
	}[r]
}

// text returns the rule in one sentence.
func (r rule) text() string {
	return [ruleCount]string{
		ruleHandler:     "an Interceptor returns a Handler",
		ruleDescribe:    "an Interceptor that says what it is gives its name",
		ruleReach:       "at least one of the calls reaches next, or nothing is tested",
		ruleKinds:       "no kind of call makes it panic, where Input and Output are those of the kind",
		ruleReturn:      "the Handler returns once next has returned",
		ruleOnce:        "next is called at most once",
		ruleAgain:       "a call that middleware.Again carries out is of the same Kind and Name, and streams only where the first does",
		ruleIdentity:    "the ID, Parent, Kind and Name of a call reach next as they came",
		ruleInput:       "an Input is replaced, never modified in place",
		ruleStream:      "a Stream that was nil stays nil",
		ruleStreamError: "an error of the caller's Stream ends the stream",
		ruleValues:      "the values of the context reach next",
		ruleDeadline:    "the deadline of the context reaches next",
		ruleCancel:      "the end of the context reaches next",
		ruleError:       "an error of next comes back, found by errors.Is; only a denial may become an Observation",
		ruleOutput:      "where an error comes back, Output is nil",
		ruleUsage:       "what next spent comes back, whether the call is done, denied or failed",
		ruleDenial:      "a refusal is a *DeniedError with a Code and a Reason",
		rulePanic:       "a panic of next goes on or becomes an error, and what was held is released",
		ruleGoexit:      "where next ends its goroutine, what was held is released, and no success comes back",
		ruleOwnPanic:    "an interceptor that panics by itself denies",
		ruleConcurrent:  "calls at the same time do not get into each other's way",
		ruleApart:       "one Interceptor applied to two Handlers keeps them apart",
		ruleGoroutine:   "no goroutine that a call started outlives the call and its context",
	}[r]
}
