// Package safeconduct is the root of a module that guards Go agents: what may
// enter a run, which tools run, what a model's text may become, and a signed
// record of every decision. The root package itself is empty. Start with
//
//   - adapters/langchaingo to guard an agent that exists,
//   - gates for what may run, and schema for what may leave,
//   - evidence for the signed trail, and evidence/collector to keep it on another
//     machine too,
//   - middleware to write a gate of one's own.
package safeconduct
