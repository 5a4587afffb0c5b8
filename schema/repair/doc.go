// Package repair takes the JSON out of what a model said.
//
// [Extract] finds the one JSON value in a text, in a code fence or in prose. [Repair]
// does the same for models that write almost JSON: it mends what can mean one thing
// alone, and says what it changed. Neither guesses: where the value cannot be told,
// there is an error instead.
//
//	value, changes, err := repair.Repair([]byte("Final Answer: {'risk': 'low',}"))
//
// What comes back is strict JSON, as Validate of package schema takes it, and nothing
// more is known of it: hold it against a schema before a program acts on it, as
// schema.Boundary does with its rules Extract and Repair. Errors and changes hold
// nothing of the text.
//
// # What is extracted
//
//   - A text that is JSON but for white space around it is its own value, an
//     object, an array, a string, a number, true, false or null.
//   - Else each outermost object and array in the text is a candidate, whatever
//     stands around it: prose, "Final Answer:", the marks of code fences.
//   - A candidate that fills a code fence goes before those in prose. Fences are
//     those of CommonMark, which are followed from the beginning of the text, and
//     those that models write, behind prose or with prose behind them. Where it is
//     not certain that a candidate is fenced, it must be the same as the others.
//   - Two candidates that are the same but for white space are one.
//   - What begins as an object or array and does not end as one is broken, and so
//     is the text, unless the answer fills a code fence: what is left of it, or
//     stands within it, is not taken for the answer, in a code fence or not. Nor is
//     a value within other brackets, one in prose that goes on to a bracket which
//     closes nothing, or what is not strict JSON, such as an object with a property
//     twice.
//
// A value that wraps another one is unwrapped: the object {"__arg1": ...}, in
// which langchaingo has models call tools, and a string that holds an object, an
// array or such a string, each but for white space.
//
// # What is repaired
//
// An object or an array that begins a line, or follows a colon or the mark that begins
// a code fence. The changes are those that the constants list, and no others: those
// after which there is one thing that the text can mean. No letter and no digit is
// added or dropped but those of literals, comments and the zeros of incomplete
// numbers. In particular these are refused:
//
//   - strings without quotes or with quotes within them, names without a colon,
//     values left out, and numbers such as 05 and 1_000;
//   - a text that ends within a string, a number or a name, or after a comma, a
//     colon or an opening bracket: what was to come is not known. Brackets that
//     are missing after a whole value are closed;
//   - several values, and prose.
package repair

import "example.com/safeconduct/internal/strictjson"

// MaxBytes is how long a text may be: 1 MiB.
const MaxBytes = strictjson.MaxBytes
